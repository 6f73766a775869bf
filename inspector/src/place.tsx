// Where the page is: the route as React sees it, and the links between views.
import { type AnchorHTMLAttributes, useSyncExternalStore } from 'react';
import { hashOf, parseRoute, type Route } from './route.ts';

let last = { hash: '', route: parseRoute('') };

/** The route of this moment. */
export function here(): Route {
  if (last.hash !== location.hash) last = { hash: location.hash, route: parseRoute(location.hash) };
  return last.route;
}

function follow(changed: () => void): () => void {
  addEventListener('hashchange', changed);
  return () => removeEventListener('hashchange', changed);
}

export const useRoute = (): Route => useSyncExternalStore(follow, here);

/** The tenant whose sessions are shown. */
export const tenant = (): string => here().query.tenant || 'default';

/** A link's hash: the tenant stays. */
export const to = (path: readonly string[], query: Record<string, string | undefined> = {}): string =>
  hashOf(path, { ...query, tenant: here().query.tenant });

/** Shows another view. */
export function go(path: readonly string[], query?: Record<string, string | undefined>): void {
  location.hash = to(path, query);
}

/** Changes the query of this view, without a step in the browser's history unless told. */
export function amend(query: Record<string, string | undefined>, step = false): void {
  const { path, query: old } = here();
  const hash = hashOf(path, { ...old, ...query });
  if (hash === location.hash) return;
  if (step) location.hash = hash;
  else {
    history.replaceState(history.state, '', hash);
    dispatchEvent(new HashChangeEvent('hashchange'));
  }
}

interface LinkProps extends AnchorHTMLAttributes<HTMLAnchorElement> {
  readonly path: readonly string[];
  readonly query?: Record<string, string | undefined>;
}

export const Link = ({ path, query, ...rest }: LinkProps) => <a {...rest} href={to(path, query)} />;
