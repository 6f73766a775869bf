// A persistent caller: repeats a request with the same idempotency key until a node answers.
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../testing/random.ts';

/** Timeout of one attempt, after which the caller tries another node, ms. */
const TIMEOUT = 2_000;
/** Time after which a request has failed, ms. */
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
  /** Count of repeated requests. */
  repeats = 0;
  /** Refusals by nodes, as text. */
  readonly refused: string[] = [];

  constructor(urls: readonly string[], random: Random) {
    this.#urls = urls;
    this.#random = random;
  }

  /** A random node other than these. */
  node(...but: readonly string[]): string {
    const others = this.#urls.filter((url) => !but.includes(url));
    return this.#random.pick(others.length > 0 ? others : this.#urls);
  }

  /** Posts until a node accepts or refuses. `asks` is called with each node that is tried. */
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

/** Undefined if the connection broke or timed out. */
async function ask(url: string, path: string, init: RequestInit): Promise<Omit<Answered, 'url'> | undefined> {
  try {
    const response = await fetch(url + path, { ...init, signal: AbortSignal.timeout(TIMEOUT) });
    return { status: response.status, body: await response.json() };
  } catch {
    return undefined;
  }
}
