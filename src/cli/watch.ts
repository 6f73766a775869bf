// Follows one session of a running service and prints its events, also across a restart of the service.
import type { SessionView } from '../../actors/view.ts';
import type { Screen, Told } from './screen.ts';
import { Complaint, type Service } from './service.ts';

/** The session's view; undefined if the session does not exist. */
export function viewOf(service: Service, session: string): Promise<SessionView | undefined> {
  return service.get<SessionView>(`/v1/sessions/${session}`).catch((error) => {
    if (error instanceof Complaint && error.code === 'unknown_session') return undefined;
    throw error;
  });
}

type OnEvent = (told: Told) => void | Promise<void>;

export class Watch {
  /** Resolves when the session has ended or the watch was stopped; rejects when the service refuses. */
  readonly ended: Promise<void>;
  readonly #stop = new AbortController();
  readonly #waiting = new Set<() => void>();
  #seen: number;

  /** Prints the events after entry `after`, and awaits `hear` with each. */
  constructor(service: Service, session: string, screen: Screen, after: number, hear: OnEvent = () => {}) {
    this.#seen = after;
    this.ended = this.#follow(service, session, screen, hear);
    const stop = () => this.stop();
    this.ended.then(stop, stop);
  }

  /** Resolves when entry `n` has been printed. */
  async seen(n: number): Promise<void> {
    while (this.#seen < n && !this.#stop.signal.aborted)
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
  }

  stop(): void {
    this.#stop.abort();
    this.#wake();
  }

  async #follow(service: Service, session: string, screen: Screen, hear: OnEvent): Promise<void> {
    const { signal } = this.#stop;
    const events = service.follow(`/v1/sessions/${session}/events`, {
      after: String(this.#seen),
      signal,
      onConnection: (is) =>
        screen.say(is === 'lost' ? '(the connection is lost; trying again …)' : '(the connection is back)'),
    });
    for await (const { id, event, data } of events) {
      const told: Told = { type: event, ...JSON.parse(data) };
      screen.tell(told);
      await hear(told);
      // The last event of an entry.
      if (event === 'state_change') {
        this.#seen = Number(id);
        this.#wake();
      }
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
