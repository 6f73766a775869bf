// Constant load: callers that send messages to sessions, so that every fault hits work in progress.
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../testing/random.ts';
import type { Caller } from './caller.ts';
import type { Ledger, Said } from './ledger.ts';

export interface LoadOptions {
  readonly sessions: number;
  readonly callers: number;
}

/** One of `CROWD` messages goes to one of the first `CROWDED` sessions, which many callers share. */
const CROWD = 8;
const CROWDED = 10;

export class Load {
  readonly #caller: Caller;
  readonly #ledger: Ledger;
  readonly #random: Random;
  readonly #sessions: number;
  readonly #callers: Promise<void>[];
  #sent = 0;
  #over = false;

  constructor(caller: Caller, ledger: Ledger, random: Random, { sessions, callers }: LoadOptions) {
    this.#caller = caller;
    this.#ledger = ledger;
    this.#random = random;
    this.#sessions = sessions;
    this.#callers = Array.from({ length: callers }, () => this.#talk());
  }

  /** Resolves when every caller has its last answer. */
  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#callers);
  }

  session(): string {
    const among = this.#random.below(CROWD) === 0 ? CROWDED : this.#sessions;
    return `s${this.#random.below(Math.min(among, this.#sessions)) + 1}`;
  }

  /** Sends one message; resolves when it is acknowledged or has failed. */
  async say(session: string): Promise<Said> {
    this.#sent += 1;
    const content = `message ${this.#sent}`;
    const said = this.#ledger.begin(session, content);
    try {
      const asked = (url: string) => {
        said.asked = url;
      };
      const { status } = await this.#caller.post(`/v1/sessions/${session}/messages`, { content }, content, asked);
      if (status === 200 || status === 202) this.#ledger.acknowledge(said, status === 200);
    } catch (error) {
      this.#ledger.failed.push(`"${content}" to ${session}: ${(error as Error).message}`);
    } finally {
      this.#ledger.end(said);
    }
    return said;
  }

  async #talk(): Promise<void> {
    while (!this.#over) {
      await this.say(this.session());
      await pause(this.#random.below(60));
    }
  }
}
