// Actors of other programs that tell of themselves in Stately's protocol: the newest of them, in bounded memory.
import { type AnyMachineSnapshot, createMachine } from 'xstate';
import { type ChartGraph, chartGraph } from '../diagram/graph.ts';
import type { Inspection } from './protocol.ts';

/** A foreign actor as viewers see it. Times are ms since the epoch. */
export interface ForeignActor {
  /** Unique here: actors of different programs may call themselves the same. */
  readonly actor_id: string;
  readonly name: string;
  readonly session_id: string;
  readonly parent_id: string | null;
  readonly source: { readonly client: string; readonly connected: boolean };
  readonly status: string;
  readonly value: unknown;
  readonly context?: unknown;
  readonly output?: unknown;
  readonly definition: ChartGraph | null;
  /** The newest, oldest first. */
  readonly events: readonly { readonly at: number; readonly type: string; readonly event: unknown }[];
  readonly updated_at: number;
}

/** Where actors come from: one connection. */
export interface Source {
  readonly id: string;
  readonly tenant: string;
  readonly client: string;
}

/** Characters of JSON; what is longer is left out, and said to be. */
const LONGEST_SNAPSHOT = 65_536;
const LONGEST_EVENT = 8_192;
const LONGEST_DEFINITION = 262_144;
const EVENTS = 50;
/** Of all tenants together. The ones that were silent the longest are forgotten first. */
const ACTORS = 1_000;
const CHARACTERS = 32 * 1024 * 1024;

interface Known {
  view: ForeignActor;
  readonly tenant: string;
  /** Characters that it holds, about. */
  size: number;
  readonly sizes: { definition: number; snapshot: number; events: number[] };
}

export class ForeignActors {
  // In the order of their last news.
  readonly #actors = new Map<string, Known>();
  readonly #listeners = new Set<(tenant: string, told: object) => void>();
  readonly #now: () => number;
  #size = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Takes what a source tells. An actor that nobody announced is there from its first event or snapshot on. */
  hear(source: Source, told: Inspection): void {
    const at = this.#now();
    const id = idOf(source, told.sessionId);
    const known = this.#actors.get(id) ?? fresh(source, told.sessionId, at);
    this.#actors.delete(id);
    this.#actors.set(id, known);
    this.#size -= known.size;
    known.view = { ...known.view, updated_at: at };
    if (told.type === '@xstate.actor') announce(known, source, told);
    if (told.type === '@xstate.event') remember(known, told.event, at);
    if (told.type === '@xstate.snapshot') stand(known, told.snapshot);
    this.#size += known.size;
    this.#forget();
    // Ids of two programs must not meet at a viewer either.
    const rename = (name: string | null | undefined) => (name ? idOf(source, name) : name);
    const { sessionId, rootId } = told;
    const own = { sessionId: rename(sessionId), rootId: rename(rootId) };
    const others = 'parentId' in told ? { parentId: rename(told.parentId as string) } : {};
    for (const listener of this.#listeners) listener(source.tenant, { ...told, ...own, ...others });
  }

  /** A source has left. Its actors are still there to be looked at, and are the first to go. */
  left({ id }: Source): void {
    const gone = [...this.#actors].filter(([name]) => name.startsWith(`${id}.`));
    for (const [name, known] of gone) {
      known.view = { ...known.view, source: { ...known.view.source, connected: false } };
      this.#actors.delete(name);
    }
    const others = [...this.#actors];
    this.#actors.clear();
    for (const [name, known] of [...gone, ...others]) this.#actors.set(name, known);
  }

  /** The actors of a tenant, the one with the newest news first. */
  list(tenant: string): ForeignActor[] {
    return [...this.#actors.values()]
      .filter((known) => known.tenant === tenant)
      .map(({ view }) => view)
      .sort((a, b) => b.updated_at - a.updated_at);
  }

  /** What a viewer that comes late must know: every actor, as it stands. */
  told(tenant: string): object[] {
    return this.list(tenant)
      .reverse()
      .map((view) => ({
        type: '@xstate.actor',
        name: view.name,
        sessionId: view.actor_id,
        rootId: view.actor_id,
        parentId: view.parent_id ?? undefined,
        createdAt: String(view.updated_at),
        id: null,
        _version: '1',
        definition: undefined,
        snapshot: { status: view.status, value: view.value, context: view.context, output: view.output },
      }));
  }

  /** Hears everything that is told from now on, with ids as they are here. Returns the function that ends it. */
  listen(listener: (tenant: string, told: object) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #forget(): void {
    for (const [id, { size }] of this.#actors) {
      if (this.#actors.size <= ACTORS && this.#size <= CHARACTERS) return;
      this.#actors.delete(id);
      this.#size -= size;
    }
  }
}

const idOf = ({ id }: Source, name: string): string => `${id}.${name}`;

function fresh(source: Source, session_id: string, at: number): Known {
  const view: ForeignActor = {
    actor_id: idOf(source, session_id),
    name: session_id,
    session_id,
    parent_id: null,
    source: { client: source.client, connected: true },
    status: 'active',
    value: null,
    definition: null,
    events: [],
    updated_at: at,
  };
  return { view, tenant: source.tenant, size: 0, sizes: { definition: 0, snapshot: 0, events: [] } };
}

function announce(known: Known, source: Source, told: Extract<Inspection, { type: '@xstate.actor' }>): void {
  const { name, parentId, definition } = told;
  known.view = {
    ...known.view,
    ...(name && { name }),
    parent_id: parentId ? idOf(source, parentId) : null,
    definition: graphOf(definition),
  };
  known.sizes.definition = definition && definition.length <= LONGEST_DEFINITION ? definition.length : 0;
  stand(known, told.snapshot);
}

function stand(known: Known, snapshot: Inspection['snapshot']): void {
  const { status = 'active', value = null, context, output } = (snapshot ?? {}) as Partial<AnyMachineSnapshot>;
  const length = lengthOf([value, context, output]);
  const short = length <= LONGEST_SNAPSHOT;
  known.sizes.snapshot = short ? length : 0;
  known.view = {
    ...known.view,
    status,
    value: short ? value : null,
    context: short ? context : { left_out: `${length} characters` },
    output: short ? output : undefined,
  };
  weigh(known);
}

function remember(known: Known, event: { readonly type: string }, at: number): void {
  const length = lengthOf(event);
  const short = length <= LONGEST_EVENT ? event : { type: event.type, left_out: `${length} characters` };
  known.view = { ...known.view, events: [...known.view.events, { at, type: event.type, event: short }].slice(-EVENTS) };
  known.sizes.events = [...known.sizes.events, Math.min(length, LONGEST_EVENT)].slice(-EVENTS);
  weigh(known);
}

function weigh(known: Known): void {
  const { definition, snapshot, events } = known.sizes;
  known.size = events.reduce((sum, size) => sum + size, definition + snapshot);
}

const lengthOf = (value: unknown): number => JSON.stringify(value)?.length ?? 0;

/** The chart of a definition; null when it is none that can be drawn: most actors are no machines. */
function graphOf(definition: string | null | undefined): ChartGraph | null {
  if (!definition || definition.length > LONGEST_DEFINITION) return null;
  try {
    const config = JSON.parse(definition);
    return config?.states ? chartGraph(createMachine(config)) : null;
  } catch {
    return null;
  }
}
