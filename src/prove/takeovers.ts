// Supervisors who take over during an answer, while a listener on another node watches for late deltas.
import { setTimeout as pause } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { Random } from '../testing/random.ts';
import type { Caller } from './caller.ts';
import type { Ledger } from './ledger.ts';
import type { Load } from './load.ts';
import { attemptOf, type Word } from './script.ts';

/** How long a listener watches for deltas after a takeover, ms. */
const LISTEN = 300;

export class Takeovers {
  readonly #caller: Caller;
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #load: Load;
  readonly #person: Promise<void>;
  readonly #held = new Set<string>();
  #over = false;
  #count = 0;
  /** Takeovers that a listener watched from before the first word until after the last. */
  watched = 0;
  readonly #late: Late[] = [];

  constructor(caller: Caller, ledger: Ledger, random: Random, load: Load) {
    this.#caller = caller;
    this.#ledger = ledger;
    this.#random = random;
    this.#load = load;
    this.#person = this.#supervise();
  }

  /** Count of deltas written after a takeover was acknowledged, or received after the listener had seen the takeover. */
  get spoken(): number {
    return this.#late.filter((late) => this.#isAfter(late)).length;
  }

  /**
   * Deltas written before a takeover was acknowledged but received after it on another node: their count, and the longest delay,
   * ms.
   */
  get inFlight(): { count: number; max_ms: number } {
    const before = this.#late.filter((late) => !this.#isAfter(late));
    return {
      count: before.length,
      max_ms: Math.max(0, ...before.map(({ heard, acknowledged }) => heard - acknowledged!)),
    };
  }

  #isAfter(late: Late): boolean {
    return isSpokenAfter(late, this.#ledger.words.get(late.attempt));
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#person;
  }

  /** Takes a session over, listens on another node until `until` resolves, and releases the floor. */
  async seize(session: string, until: () => Promise<unknown>, midAnswer?: () => Promise<unknown>): Promise<void> {
    if (this.#held.has(session)) return;
    this.#held.add(session);
    this.#count += 1;
    const by = `person-${this.#count}`;
    const act = (verb: string) => this.#caller.post(`/v1/sessions/${session}/${verb}`, { by }, `${verb} ${by}`);
    const listener = await Listener.open(this.#caller.node(), session);
    try {
      await midAnswer?.();
      await listener?.word();
      const { status, body } = await act('takeover');
      if (status !== 200) throw new Error(`takeover of ${session}: ${status} ${body?.detail}`);
      listener?.acknowledged();
      await until();
      if (listener?.open) {
        this.watched += 1;
        this.#late.push(...listener.late);
      }
    } catch (error) {
      this.#ledger.errors.push((error as Error).message);
    } finally {
      listener?.close();
      const { status, body } = await act('release');
      if (status !== 200) this.#ledger.errors.push(`release of ${session}: ${status} ${body?.detail}`);
      this.#held.delete(session);
    }
  }

  async #supervise(): Promise<void> {
    while (!this.#over) {
      const session = this.#load.session();
      // A session exists from its first message on; before it there is no stream to open.
      await this.#load.say(session);
      let said: Promise<unknown> = Promise.resolve();
      const speak = async () => {
        said = this.#load.say(session);
      };
      await this.seize(session, () => pause(LISTEN), speak).catch((error: Error) =>
        this.#ledger.errors.push(error.message),
      );
      await said;
      await pause(this.#random.below(100));
    }
  }
}

/** A delta that a listener received after a takeover; times are ms since the epoch. */
export interface Late {
  readonly attempt: string;
  /** Length of the answer up to the end of this delta, characters. */
  readonly end: number;
  readonly heard: number;
  readonly acknowledged: number | undefined;
  /** Whether this listener had received the takeover before the delta. */
  readonly shown: boolean;
}

/**
 * Whether the AI itself wrote a delta after the takeover, rather than its delivery being late. Without a time of writing it
 * counts as after.
 */
export function isSpokenAfter({ end, acknowledged, shown }: Late, words: readonly Word[] | undefined): boolean {
  if (shown || acknowledged === undefined) return true;
  const said = words?.find(([reached]) => reached >= end)?.[1];
  return said === undefined || said >= acknowledged;
}

/** A listener on a session through one node. */
class Listener {
  readonly #stop: AbortController;
  readonly #first = Promise.withResolvers<void>();
  #acknowledged: number | undefined;
  #shown = false;
  open = true;
  /** Deltas after the takeover. */
  readonly late: Late[] = [];

  private constructor(stop: AbortController, response: Response) {
    this.#stop = stop;
    void this.#read(response);
  }

  /** Undefined if the node does not answer or does not know the session. */
  static async open(url: string, session: string): Promise<Listener | undefined> {
    const stop = new AbortController();
    const late = setTimeout(() => stop.abort(), 1_000);
    try {
      const response = await fetch(`${url}/v1/sessions/${session}/events`, { signal: stop.signal });
      if (response.ok) return new Listener(stop, response);
      await response.body?.cancel();
    } catch {
      // The node is being killed or is frozen.
    } finally {
      clearTimeout(late);
    }
    return undefined;
  }

  /** Resolves with the first delta of an answer, or after 500 ms. */
  async word(): Promise<void> {
    await Promise.race([this.#first.promise, pause(500)]);
  }

  acknowledged(): void {
    this.#acknowledged = Date.now();
  }

  close(): void {
    this.open = false;
    this.#stop.abort();
  }

  async #read(response: Response): Promise<void> {
    const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    try {
      for await (const { event, data } of events) {
        if (event === 'agent_stream_delta') {
          if (this.#acknowledged !== undefined || this.#shown) {
            const { offset, text, ...of } = JSON.parse(data) as {
              run_id: string;
              attempt: number;
              offset: number;
              text: string;
            };
            const place = { attempt: attemptOf(of), end: offset + text.length };
            this.late.push({ ...place, heard: Date.now(), acknowledged: this.#acknowledged, shown: this.#shown });
          }
          this.#first.resolve();
        }
        if (event === 'state_change') this.#shown = JSON.parse(data).control === 'human';
      }
    } catch {
      // The stream was closed, or the node is gone.
    }
    this.open = false;
  }
}
