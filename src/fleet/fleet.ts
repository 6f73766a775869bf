// A node's statistics of its sessions: counts per state, dwell times and transitions, updated from entries as they are appended.
import type { Session } from '../../actors/session.ts';
import { type Entry, isSession, type Journal, type Key, keyName, type Row } from '../journal/journal.ts';
import type { DwellView } from './dwell.ts';
import { Figures, type Move, sumOfDwells, sumOfWays, type Way } from './figures.ts';
import { changeOf, partsOf } from './parts.ts';
import { Stays, type Stuck } from './stays.ts';

/** A change of a session as listeners of a whole tenant receive it. */
export interface Step {
  readonly session_id: string;
  readonly n: number;
  readonly at: number;
  readonly event: string;
  readonly before: string | null;
  readonly after: string;
}

export type MoveListener = (tenant: string, move: Move, step?: Step) => void;

/** One node's counts for a tenant since its start; `states` is current. */
export interface FleetCounts {
  readonly states: Readonly<Record<string, number>>;
  readonly dwell: Readonly<Record<string, DwellView>>;
  readonly transitions: readonly Way[];
  readonly stuck: { readonly total: number; readonly sessions: readonly StuckSession[] };
}

export interface StuckSession {
  readonly session_id: string;
  /** The part of its state in which it is stuck. */
  readonly part: string;
  /** Lower bound, ms since the epoch: for a session read from the journal, the time of its last entry. */
  readonly since: number;
  readonly threshold_ms: number;
}

export interface FleetOptions {
  readonly journal: Pick<Journal, 'census' | 'rows'>;
  readonly now: () => number;
  /** In a cluster, the shard of a session: a shard's counts begin with the rows read at its takeover. */
  readonly shardOf?: (key: Key) => number;
  /** Overrides of the thresholds per part of a state, ms. */
  readonly stuck_ms?: Readonly<Record<string, number>>;
}

/** Stands for all tenants, in counts. */
export const EVERYBODY = '*';
/** Number of stuck sessions that are listed by id. */
const LISTED = 100;

type Counts = Map<string, number>;

/** The state of a session in memory, and the time since which each part of it is active. */
interface Standing {
  readonly state: string;
  readonly since: readonly number[];
}

export class Fleet {
  readonly #options: FleetOptions;
  /** Sessions per state, by shard (0 without a cluster), then by tenant. */
  readonly #counts = new Map<number, Map<string, Counts>>();
  /** By tenant; those of all tenants are summed on request. */
  readonly #figures = new Map<string, Figures>();
  // A session's dwell times are dropped together with its actor.
  readonly #standing = new WeakMap<Session, Standing>();
  readonly #stays: Stays;
  readonly #listeners = new Set<MoveListener>();
  readonly #begun = new Map<string, Promise<void>>();

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#stays = new Stays(options.stuck_ms);
  }

  /** Counts an entry that a session of this node has appended. */
  hear(key: Key, entry: Entry, session: Session): void {
    if (!isSession(key)) return;
    const { n, at, event, state } = entry;
    const before = n === 1 ? undefined : (this.#standing.get(session) ?? wokenAt(session));
    this.#standing.set(session, this.#moved(key, before, state, at));
    const move = { from: before?.state ?? null, to: state, event: event.type };
    const step = { session_id: key.session, n, at, event: event.type, before: move.from, after: state };
    this.#of(key.tenant).took(move);
    this.#notify(key, move, step);
  }

  /** Counts a session that was created with copied entries, such as a fork. */
  came(key: Key, { state, at }: Pick<Row, 'state' | 'at'>, event: string): void {
    this.#moved(key, undefined, state, at);
    this.#notify(key, { from: null, to: state, event });
  }

  /** Counts the removal of a session. */
  removed(key: Key, state: string, event: string): void {
    if (!isSession(key)) return;
    this.#count(key, state, -1);
    for (const part of partsOf(state)) this.#stays.leave(part, keyName(key));
    this.#notify(key, { from: state, to: null, event });
  }

  /** Counts the changes that another node made to a session after this node had read its shard. */
  wentOn(key: Key, before: Pick<Row, 'state' | 'at'>, after: Pick<Row, 'state' | 'at'>): void {
    if (isSession(key)) this.#moved(key, standingAt(before), after.state, after.at);
  }

  /** Counts the sessions of a shard that this node has taken over. */
  took(shard: number, rows: readonly Row[]): void {
    this.dropped(shard);
    this.#counts.set(shard, new Map());
    for (const { key, state, at } of rows) if (isSession(key)) this.#moved(key, undefined, state, at);
  }

  /** Removes the counts of a shard that this node has lost. */
  dropped(shard: number): void {
    const { shardOf } = this.#options;
    if (!shardOf || !this.#counts.delete(shard)) return;
    this.#stays.forget((name) => shardOf(named(name)) === shard);
  }

  /**
   * This node's counts for a tenant, or for all (`*`). Without a cluster, the first call reads earlier counts from the journal.
   */
  async view(tenant: string): Promise<FleetCounts> {
    await this.#begin(tenant);
    const stuck = this.#stuckOf(tenant);
    return {
      states: this.states(tenant),
      dwell: this.dwell(tenant),
      transitions: this.ways(tenant),
      stuck: { total: stuck.length, sessions: stuck.slice(0, LISTED) },
    };
  }

  /** Dwell times by part of the state. */
  dwell(tenant: string): Record<string, DwellView> {
    return sumOfDwells(this.#figuresOf(tenant).map((figures) => figures.dwell()));
  }

  /** Transitions with their counts. */
  ways(tenant: string): Way[] {
    return sumOfWays(this.#figuresOf(tenant).map((figures) => figures.ways()));
  }

  #figuresOf(tenant: string): Figures[] {
    if (tenant === EVERYBODY) return [...this.#figures.values()];
    const figures = this.#figures.get(tenant);
    return figures ? [figures] : [];
  }

  /** Count of stuck sessions of all tenants, by part of the state. */
  stuckByPart(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { part } of this.#stays.stuck(this.#options.now())) counts.set(part, (counts.get(part) ?? 0) + 1);
    return counts;
  }

  /** Sessions per state, as far as they were counted: call `view` first. */
  states(tenant: string): Record<string, number> {
    const states: Record<string, number> = {};
    for (const tenants of this.#counts.values())
      for (const [state, count] of tenants.get(tenant) ?? [])
        if (count !== 0) states[state] = (states[state] ?? 0) + count;
    return states;
  }

  /** Subscribes to every change from now on. Returns a function that unsubscribes. */
  onMove(listener: MoveListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #moved(key: Key, before: Standing | undefined, state: string, at: number): Standing {
    if (before?.state === state) return before;
    const { kept, left } = changeOf(before?.state, state);
    const parts = partsOf(state);
    const since = kept.map((index, part) => {
      if (index >= 0) return before!.since[index]!;
      if (this.#stays.watches(parts[part]!)) this.#stays.enter(parts[part]!, keyName(key), at);
      return at;
    });
    if (before) {
      const figures = this.#of(key.tenant);
      for (const [index, part] of left) {
        if (this.#stays.watches(part)) this.#stays.leave(part, keyName(key));
        figures.stayed(part, at - before.since[index]!);
      }
      this.#count(key, before.state, -1);
    }
    this.#count(key, state, 1);
    return { state, since };
  }

  #of(tenant: string): Figures {
    return within(this.#figures, tenant, () => new Figures());
  }

  #count(key: Key, state: string, by: number): void {
    const { shardOf } = this.#options;
    const tenants = shardOf ? this.#counts.get(shardOf(key)) : this.#here();
    // The shard has just moved to another node, which counts the session.
    if (!tenants) return;
    for (const tenant of [key.tenant, EVERYBODY]) {
      const counts = within(tenants, tenant, () => new Map<string, number>());
      const count = (counts.get(state) ?? 0) + by;
      if (count === 0) counts.delete(state);
      else counts.set(state, count);
    }
  }

  /** Counts of shard 0, which holds every session without a cluster. */
  #here(): Map<string, Counts> {
    return within(this.#counts, 0, () => new Map<string, Counts>());
  }

  #notify({ tenant }: Key, move: Move, step?: Step): void {
    for (const listener of this.#listeners) listener(tenant, move, step);
  }

  #stuckOf(tenant: string): StuckSession[] {
    const longest = new Map<string, Stuck>();
    for (const stuck of this.#stays.stuck(this.#options.now())) {
      if (tenant !== EVERYBODY && named(stuck.name).tenant !== tenant) continue;
      const known = longest.get(stuck.name);
      // A session that is stuck in both regions counts once.
      if (!known || stuck.since < known.since) longest.set(stuck.name, stuck);
    }
    return [...longest.values()]
      .map(({ name, ...rest }) => ({ session_id: named(name).session, ...rest }))
      .sort((a, b) => a.since - b.since);
  }

  /** Without a cluster: reads the counts from before this process. Once, and again after a failure. */
  async #begin(tenant: string): Promise<void> {
    if (this.#options.shardOf) return;
    await within(this.#begun, tenant, () =>
      this.#readBefore(tenant).catch((error) => {
        this.#begun.delete(tenant);
        throw error;
      }),
    );
  }

  async #readBefore(tenant: string): Promise<void> {
    const { journal } = this.#options;
    const of = tenant === EVERYBODY ? undefined : tenant;
    // Entries appended so far are counted here within this turn of the event loop, so the journal and these counts agree after
    // it.
    await new Promise((resolve) => setImmediate(resolve));
    const tenants = this.#here();
    const heard = new Map(tenants.get(tenant));
    const before = await journal.census(of);
    const counts = within(tenants, tenant, () => new Map<string, number>());
    for (const [state, count] of before) {
      const now = count - (heard.get(state) ?? 0) + (counts.get(state) ?? 0);
      heard.delete(state);
      if (now === 0) counts.delete(state);
      else counts.set(state, now);
    }
    for (const [state, count] of heard) counts.set(state, (counts.get(state) ?? 0) - count);
    for (const state of before.keys()) await this.#readStays(of, state);
  }

  /** Reads the sessions from before this process that are in a watched state; their dwell counts from their last entry. */
  async #readStays(tenant: string | undefined, state: string): Promise<void> {
    const watched = partsOf(state).filter((part) => this.#stays.watches(part));
    if (watched.length === 0) return;
    const { journal } = this.#options;
    const found: (readonly [name: string, since: number])[] = [];
    for (let after: Key | undefined, full = true; full; ) {
      const rows = await journal.rows({ tenant, state, after, limit: 1_000 });
      found.push(...rows.filter(({ key }) => isSession(key)).map(({ key, at }) => [keyName(key), at] as const));
      after = rows.at(-1)?.key;
      full = rows.length === 1_000;
    }
    for (const part of watched) this.#stays.before(part, found);
  }
}

function wokenAt({ woken }: Session): Standing | undefined {
  return woken && standingAt(woken);
}

const standingAt = ({ state, at }: Pick<Row, 'state' | 'at'>): Standing => ({
  state,
  since: partsOf(state).map(() => at),
});

function within<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function named(name: string): Key {
  const [tenant, session] = name.split('/') as [string, string];
  return { tenant, session };
}
