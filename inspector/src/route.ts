// What the address says: the hash holds the whole view, so that a reload or a link shows the same.

/** `#/sessions/s1?at=12` is `{ path: ['sessions', 's1'], query: { at: '12' } }`. */
export interface Route {
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const parts = path.split('/').filter(Boolean).map(decode);
  return { path: parts.length > 0 ? parts : ['fleet'], query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The hash of a view; what is undefined or empty in the query is left out. */
export function hashOf(path: readonly string[], query: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const search = new URLSearchParams(given).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${search && `?${search}`}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
