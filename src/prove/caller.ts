// A caller that does not give up: it repeats a request with the same key until somebody answers.
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../testing/random.ts';

/** After so long without an answer it asks another node, ms. */
const PATIENCE = 2_000;
/** A request that nobody has answered by then is given up, ms. */
const LONGEST = 60_000;

export interface Answered {
  readonly status: number;
  readonly body: any;
  /** The node that answered. */
  readonly url: string;
}

export class Caller {
  readonly #urls: readonly string[];
  readonly #random: Random;
  /** How often a request had to be sent again. */
  repeats = 0;
  /** What nodes answered with a no, in words. */
  readonly refused: string[] = [];

  constructor(urls: readonly string[], random: Random) {
    this.#urls = urls;
    this.#random = random;
  }

  /** Any node but these, by chance. */
  node(...but: readonly string[]): string {
    const others = this.#urls.filter((url) => !but.includes(url));
    return this.#random.pick(others.length > 0 ? others : this.#urls);
  }

  /** Posts until a node takes or refuses it. `asks` is told which node is being asked. */
  post(path: string, body: object, key: string, asks?: (url: string) => void): Promise<Answered> {
    return this.#persist(path, asks, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(body),
    });
  }

  get(path: string): Promise<Answered> {
    return this.#persist(path, undefined, {});
  }

  async #persist(path: string, asks: ((url: string) => void) | undefined, init: RequestInit): Promise<Answered> {
    const end = Date.now() + LONGEST;
    for (let url = this.node(); ; url = this.node(url)) {
      asks?.(url);
      const response = await ask(url, path, init);
      if (response && response.status !== 503) {
        const { status, body } = response;
        if (status >= 400) this.refused.push(`${path} at ${url}: ${status} ${body?.code ?? ''} ${body?.detail ?? ''}`);
        return { ...response, url };
      }
      if (Date.now() > end) throw new Error(`nobody answers ${path}: ${JSON.stringify(response?.body ?? null)}`);
      this.repeats += 1;
      await pause(10 + this.#random.below(20));
    }
  }
}

/** Undefined when the connection broke, or no answer came in time. */
async function ask(url: string, path: string, init: RequestInit): Promise<Omit<Answered, 'url'> | undefined> {
  try {
    const response = await fetch(url + path, { ...init, signal: AbortSignal.timeout(PATIENCE) });
    return { status: response.status, body: await response.json() };
  } catch {
    return undefined;
  }
}
