// Actors of other programs, received in Stately's protocol: the most recent ones, in bounded memory.
import { type AnyMachineSnapshot, createMachine } from 'xstate';
import { type ChartGraph, chartGraph } from '../diagram/graph.ts';
import type { Inspection } from './protocol.ts';

/** A foreign actor as viewers see it. Times are ms since the epoch. */
export interface ForeignActor {
  /** Prefixed by its source: actors of different programs may have the same id. */
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
  /** The newest events, oldest first. */
  readonly events: readonly { readonly at: number; readonly type: string; readonly event: unknown }[];
  readonly updated_at: number;
}

/** The source of actors: one connection. */
export interface Source {
  readonly id: string;
  readonly tenant: string;
  readonly client: string;
}

/** Limits in characters of JSON; longer values are left out and marked as such. */
const LONGEST_SNAPSHOT = 65_536;
const LONGEST_EVENT = 8_192;
const LONGEST_DEFINITION = 262_144;
const EVENTS = 50;
/** Limits over all tenants together. The actors without news for the longest time are evicted first. */
const ACTORS = 1_000;
const CHARACTERS = 32 * 1024 * 1024;

interface Stored {
  view: ForeignActor;
  readonly tenant: string;
  /** Its size, about, in characters. */
  size: number;
  readonly sizes: { definition: number; snapshot: number; events: number[] };
}

export class ForeignActors {
  // In the order of their last news.
  readonly #actors = new Map<string, Stored>();
  readonly #listeners = new Set<(tenant: string, told: object) => void>();
  readonly #now: () => number;
  #size = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Handles an event of a source. An actor that was not announced is created by its first event or snapshot. */
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
    // Ids are prefixed for viewers too, so that those of two programs do not collide.
    const rename = (name: string | null | undefined) => (name ? idOf(source, name) : name);
    const { sessionId, rootId } = told;
    const own = { sessionId: rename(sessionId), rootId: rename(rootId) };
    const others = 'parentId' in told ? { parentId: rename(told.parentId as string) } : {};
    for (const listener of this.#listeners) listener(source.tenant, { ...told, ...own, ...others });
  }

  /** A source has disconnected. Its actors stay visible, and are evicted first. */
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

  /** The actors of a tenant, the most recently changed first. */
  list(tenant: string): ForeignActor[] {
    return [...this.#actors.values()]
      .filter((known) => known.tenant === tenant)
      .map(({ view }) => view)
      .sort((a, b) => b.updated_at - a.updated_at);
  }

  /** The events that bring a new viewer up to date: every actor in its current state. */
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

  /** Subscribes to every event from now on, with the prefixed ids. Returns a function that unsubscribes. */
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

function fresh(source: Source, session_id: string, at: number): Stored {
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

function announce(known: Stored, source: Source, told: Extract<Inspection, { type: '@xstate.actor' }>): void {
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

function stand(known: Stored, snapshot: Inspection['snapshot']): void {
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

function remember(known: Stored, event: { readonly type: string }, at: number): void {
  const length = lengthOf(event);
  const short = length <= LONGEST_EVENT ? event : { type: event.type, left_out: `${length} characters` };
  known.view = { ...known.view, events: [...known.view.events, { at, type: event.type, event: short }].slice(-EVENTS) };
  known.sizes.events = [...known.sizes.events, Math.min(length, LONGEST_EVENT)].slice(-EVENTS);
  weigh(known);
}

function weigh(known: Stored): void {
  const { definition, snapshot, events } = known.sizes;
  known.size = events.reduce((sum, size) => sum + size, definition + snapshot);
}

const lengthOf = (value: unknown): number => JSON.stringify(value)?.length ?? 0;

/** The graph of a definition; null if it cannot be drawn: most actors are no machines. */
function graphOf(definition: string | null | undefined): ChartGraph | null {
  if (!definition || definition.length > LONGEST_DEFINITION) return null;
  try {
    const config = JSON.parse(definition);
    return config?.states ? chartGraph(createMachine(config)) : null;
  } catch {
    return null;
  }
}
