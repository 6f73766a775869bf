// Persons who take the floor in the middle of an answer, while somebody listens on another node for words that come too late.
import { setTimeout as pause } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { Random } from '../testing/random.ts';
import type { Caller } from './caller.ts';
import type { Ledger } from './ledger.ts';
import type { Load } from './load.ts';

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
  /** Words that came after a takeover was acknowledged, or shown. */
  spoken = 0;

  constructor(caller: Caller, ledger: Ledger, random: Random, load: Load) {
    this.#caller = caller;
    this.#ledger = ledger;
    this.#random = random;
    this.#load = load;
    this.#person = this.#supervise();
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
        this.spoken += listener.late;
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

/** Somebody who listens to a session through one node. */
class Listener {
  readonly #stop: AbortController;
  readonly #first = Promise.withResolvers<void>();
  #told: number | undefined;
  #shown = false;
  open = true;
  /** Words after the takeover. */
  late = 0;

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
          if (this.#told !== undefined || this.#shown) this.late += 1;
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
