// Sessions as actors of Stately's protocol: announced to its viewers, then an event and a snapshot per entry.
import { sessionMachine } from '../../machines/session/machine.ts';
import { type Entry, isSession, type Key } from '../journal/journal.ts';
import { version } from '../platform/version.ts';
import type { Troupe } from '../troupe.ts';

/** Sessions that are announced to a viewer at once: the most recently used. */
const ANNOUNCED = 100;
/** Sessions whose announcement to a viewer is cached; one that was evicted is announced again. */
const REMEMBERED = 10_000;

/**
 * Sends a tenant's sessions to one viewer. `tell` may drop a frame if the viewer is slow, because the next snapshot has the whole
 * state.
 */
export class WatchedSessions {
  readonly #troupe: Troupe;
  readonly #tenant: string;
  readonly #only: string | undefined;
  readonly #tell: (told: object) => void;
  readonly #announced = new Set<string>();
  #unfollow: (() => void) | undefined;

  constructor(troupe: Troupe, tenant: string, only: string | undefined, tell: (told: object) => void) {
    this.#troupe = troupe;
    this.#tenant = tenant;
    this.#only = only;
    this.#tell = tell;
  }

  /** Announces the existing sessions, and sends every entry from now on. */
  async start(): Promise<void> {
    const { journal, orchestrator } = this.#troupe;
    const heard = (key: Key, { entry }: { entry: Entry }): void => {
      if (key.tenant === this.#tenant && isSession(key)) this.#entry(key.session, entry);
    };
    const key = this.#only === undefined ? undefined : { tenant: this.#tenant, session: this.#only };
    this.#unfollow = journal.follow(key ?? '*', heard);
    if (key) {
      const last = await journal.last(key);
      if (last) this.#announce(key.session, last.entry.snapshot, last.entry.at);
      return;
    }
    const resident = orchestrator
      .sessions()
      .filter((session) => session.key.tenant === this.#tenant && isSession(session.key) && session.position.n > 0)
      .sort((a, b) => b.used - a.used)
      .slice(0, ANNOUNCED);
    for (const { key, snapshot, used } of resident.reverse()) this.#announce(key.session, snapshot, used);
  }

  stop(): void {
    this.#unfollow?.();
  }

  #entry(session: string, { n, at, event, snapshot }: Entry): void {
    if (!this.#announced.has(session)) this.#announce(session, snapshot, at);
    const base = { ...baseOf(session, at), id: `${session}#${n}`, event };
    this.#tell({ type: '@xstate.event', ...base, sourceId: undefined });
    this.#tell({ type: '@xstate.snapshot', ...base, snapshot: plain(snapshot) });
  }

  #announce(session: string, snapshot: Standing, at: number): void {
    if (this.#announced.size >= REMEMBERED) this.#announced.clear();
    this.#announced.add(session);
    this.#tell({
      type: '@xstate.actor',
      ...baseOf(session, at),
      id: null,
      name: session,
      parentId: undefined,
      definition: definition(),
      snapshot: plain(snapshot),
    });
  }
}

interface Standing {
  readonly value: unknown;
  readonly context: unknown;
  readonly status?: string;
}

const plain = ({ value, context, status = 'active' }: Standing) => ({ status, value, context });

const baseOf = (session: string, at: number) => ({
  sessionId: session,
  rootId: session,
  createdAt: String(at),
  _version: version,
});

let written: string | undefined;

/** The session chart's own configuration, as viewers draw it. */
function definition(): string {
  written ??= JSON.stringify(sessionMachine.config, (_, value) =>
    typeof value === 'function' ? { type: value.name } : value,
  );
  return written;
}
