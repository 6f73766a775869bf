// Rows in memory, in key order: for journals whose store cannot list them by itself.

import { isSession, type Key, keyName, type Row, type RowQuery, type Version } from './journal.ts';

interface Listed {
  row: Row;
  version: Version;
}

/** Number of removed sessions whose last version is retained, because their entries may be delivered late. */
const REMOVED = 10_000;

/** About 350 bytes for each session. Adding a session among a million moves half of their pointers: 0.2 ms. */
export class Rows {
  readonly #byName = new Map<string, Listed>();
  /** The last version of recently removed sessions. */
  readonly #removed = new Map<string, Version>();
  /** In key order; undefined until the first listing. */
  #sorted: Listed[] | undefined;

  get size(): number {
    return this.#byName.size;
  }

  /** Sets a row, unless a later version of it is there. */
  set(row: Row, version: Version): void {
    const name = keyName(row.key);
    const listed = this.#byName.get(name);
    if (listed) {
      if (listed.version < version) Object.assign(listed, { row, version });
      return;
    }
    if (version <= (this.#removed.get(name) ?? 0)) return;
    const added = { row, version };
    this.#byName.set(name, added);
    this.#sorted?.splice(firstAfter(this.#sorted, row.key), 0, added);
  }

  /** Removes a row up to a version; entries up to that version may still be delivered afterwards. */
  remove(key: Key, last: Version): void {
    const name = keyName(key);
    this.#removed.set(name, last);
    if (this.#removed.size > REMOVED) this.#removed.delete(this.#removed.keys().next().value!);
    if ((this.#byName.get(name)?.version ?? Number.POSITIVE_INFINITY) > last) return;
    this.#byName.delete(name);
    this.#sorted = undefined;
  }

  list(query: RowQuery = {}): Row[] {
    const { after, limit = 100 } = query;
    this.#sorted ??= [...this.#byName.values()].sort((a, b) => compareKeys(a.row.key, b.row.key));
    const found: Row[] = [];
    for (let i = after ? firstAfter(this.#sorted, after) : 0; i < this.#sorted.length && found.length < limit; i++) {
      const { row } = this.#sorted[i]!;
      if (matches(row, query)) found.push(row);
    }
    return found;
  }

  census(tenant?: string): Map<string, number> {
    const states = new Map<string, number>();
    for (const { row } of this.#byName.values()) {
      if (!isSession(row.key) || (tenant !== undefined && row.key.tenant !== tenant)) continue;
      states.set(row.state, (states.get(row.state) ?? 0) + 1);
    }
    return states;
  }
}

/** Whether a row matches a query. */
export function matches(row: Row, { tenant, state, waking }: RowQuery): boolean {
  if (tenant !== undefined && row.key.tenant !== tenant) return false;
  if (waking && row.wake === undefined) return false;
  if (state === undefined || row.state === state) return true;
  return row.state.split('/').some((part) => part === state || part.startsWith(`${state}.`));
}

/** The index of the first row whose key is greater, by binary search. */
export function firstAfter(all: readonly { readonly row: Row }[], key: Key): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(all[middle]!.row.key, key) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Tenant, then session. Not by `keyName`: `-` sorts before `/`, so `a-b/x` would come before `a/x`. */
export function compareKeys(a: Key, b: Key): number {
  if (a.tenant !== b.tenant) return a.tenant < b.tenant ? -1 : 1;
  if (a.session !== b.session) return a.session < b.session ? -1 : 1;
  return 0;
}
