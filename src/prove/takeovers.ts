// Persons who take the floor in the middle of an answer, while somebody listens on another node for words that come too late.
import { setTimeout as pause } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { Random } from '../testing/random.ts';
import type { Caller } from './caller.ts';
import type { Ledger } from './ledger.ts';
import type { Load } from './load.ts';
import { attemptOf, type Word } from './script.ts';

/** How long nobody may hear a word after a takeover, ms. */
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
  /** Takeovers that a listener saw from before the first word until after the last. */
  watched = 0;
  readonly #late: Late[] = [];

  constructor(caller: Caller, ledger: Ledger, random: Random, load: Load) {
    this.#caller = caller;
    this.#ledger = ledger;
    this.#random = random;
    this.#load = load;
    this.#person = this.#supervise();
  }

  /** Words that were said after a takeover was acknowledged, or heard after it was shown to who heard them. */
  get spoken(): number {
    return this.#late.filter((late) => this.#isAfter(late)).length;
  }

  /** Words that were said before a takeover was acknowledged, and heard after that on another node: how many, and how late, ms. */
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

  /** Takes a session over, listens on another node until `until`, and gives the floor back. */
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
      // A session begins with its first message; nobody can listen to it before.
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

/** A piece of an answer that somebody heard after a takeover; times are ms since the epoch. */
export interface Late {
  readonly attempt: string;
  /** Characters of the answer up to its end. */
  readonly end: number;
  readonly heard: number;
  readonly acknowledged: number | undefined;
  /** Whether the same listener had been told of the takeover before. */
  readonly shown: boolean;
}

/** Whether the AI itself was late with a piece, and not only its way to the listener. Where nothing is known of when it was said, it was. */
export function isSpokenAfter({ end, acknowledged, shown }: Late, words: readonly Word[] | undefined): boolean {
  if (shown || acknowledged === undefined) return true;
  const said = words?.find(([reached]) => reached >= end)?.[1];
  return said === undefined || said >= acknowledged;
}

/** Somebody who listens to a session through one node. */
class Listener {
  readonly #stop: AbortController;
  readonly #first = Promise.withResolvers<void>();
  #told: number | undefined;
  #shown = false;
  open = true;
  /** Words after the takeover. */
  readonly late: Late[] = [];

  private constructor(stop: AbortController, response: Response) {
    this.#stop = stop;
    void this.#hear(response);
  }

  /** Undefined when that node does not answer, or has never heard of the session. */
  static async open(url: string, session: string): Promise<Listener | undefined> {
    const stop = new AbortController();
    const late = setTimeout(() => stop.abort(), 1_000);
    try {
      const response = await fetch(`${url}/v1/sessions/${session}/events`, { signal: stop.signal });
      if (response.ok) return new Listener(stop, response);
      await response.body?.cancel();
    } catch {
      // It is being killed, or frozen.
    } finally {
      clearTimeout(late);
    }
    return undefined;
  }

  /** Resolves with the first word of an answer, or after a while without one. */
  async word(): Promise<void> {
    await Promise.race([this.#first.promise, pause(500)]);
  }

  acknowledged(): void {
    this.#told = Date.now();
  }

  close(): void {
    this.open = false;
    this.#stop.abort();
  }

  async #hear(response: Response): Promise<void> {
    const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    try {
      for await (const { event, data } of events) {
        if (event === 'agent_stream_delta') {
          if (this.#told !== undefined || this.#shown) {
            const { offset, text, ...of } = JSON.parse(data) as {
              run_id: string;
              attempt: number;
              offset: number;
              text: string;
            };
            const place = { attempt: attemptOf(of), end: offset + text.length };
            this.late.push({ ...place, heard: Date.now(), acknowledged: this.#told, shown: this.#shown });
          }
          this.#first.resolve();
        }
        if (event === 'state_change') this.#shown = JSON.parse(data).control === 'human';
      }
    } catch {
      // Closed, or the node is gone.
    }
    this.open = false;
  }
}
