// The frame around every view: where to go, which tenant, what the keys do.
import { type ComponentType, lazy, Suspense, useEffect, useState } from 'react';
import { Boundary } from './boundary.tsx';
import { Keys, useKey } from './keys.tsx';
import { amend, go, Link, tenant, useRoute } from './place.tsx';

const views: Record<string, ComponentType> = {
  fleet: lazy(() => import('./fleet/fleet.tsx')),
  sessions: lazy(() => import('./session/sessions.tsx')),
  session: lazy(() => import('./session/session.tsx')),
  machines: lazy(() => import('./machines/machines.tsx')),
  foreign: lazy(() => import('./foreign/foreign.tsx')),
};
const tabs = [
  ['fleet', 'Fleet', 'g f'],
  ['sessions', 'Sessions', 'g s'],
  ['machines', 'Machines', 'g m'],
  ['foreign', 'Foreign', 'g x'],
] as const;

export function Page() {
  const { path, query } = useRoute();
  const name = path[0] === 'sessions' && path[1] ? 'session' : path[0]!;
  const View = views[name];
  useEffect(() => {
    document.title = `${path.slice(0, 2).join(' ')} · Troupe inspector`;
  }, [path]);
  useKey('g f', 'Fleet', () => go(['fleet']));
  useKey('g s', 'Sessions', () => go(['sessions']));
  useKey('g m', 'Machines', () => go(['machines']));
  useKey('g x', 'Foreign machines', () => go(['foreign']));
  return (
    <>
      <button type="button" className="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the view
      </button>
      <header className="top">
        <span className="brand">Troupe</span>
        <nav aria-label="Views">
          {tabs.map(([tab, title, keys]) => (
            <Link key={tab} path={[tab]} aria-current={path[0] === tab ? 'page' : undefined} aria-keyshortcuts={keys}>
              {title}
            </Link>
          ))}
        </nav>
        <Tenant key={query.tenant} />
        <Keys />
      </header>
      <main id="main" tabIndex={-1} className={`view view-${name}`}>
        <Boundary key={`${path.join('/')} ${query.tenant}`}>
          <Suspense fallback={<p className="quiet waiting">Loading…</p>}>
            {View ? <View /> : <p className="quiet">There is nothing at this address.</p>}
          </Suspense>
        </Boundary>
      </main>
    </>
  );
}

function Tenant() {
  const [name, setName] = useState(tenant());
  const show = () => amend({ tenant: name === 'default' ? undefined : name }, true);
  return (
    <form
      className="tenant"
      onSubmit={(event) => {
        event.preventDefault();
        show();
      }}
    >
      <label>
        <span>Tenant</span>
        <input value={name} onChange={(event) => setName(event.target.value.trim())} onBlur={show} size={10} />
      </label>
    </form>
  );
}
