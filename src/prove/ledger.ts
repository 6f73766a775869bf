// What was said, what was acknowledged, and what the nodes told: everything that the proof is judged by.
import type { Report } from './node.ts';
import type { Node } from './nodes.ts';
import type { Word } from './script.ts';

export interface Said {
  readonly session: string;
  /** The words, which no other message has; they are its idempotency key as well. */
  readonly content: string;
  readonly began: number;
  /** When somebody said that it is kept. */
  acknowledged?: number;
  /** Whether the answer came with it; otherwise it comes when the person who has the floor gives it back. */
  answered?: boolean;
  /** The node that is being asked. */
  asked?: string;
}

/** What happens to a node. */
export type Blow = 'SIGKILL' | 'SIGSTOP';

export class Ledger {
  readonly said: Said[] = [];
  readonly errors: string[] = [];
  /** Messages that nobody answered for a minute. */
  readonly failed: string[] = [];
  readonly invocations = new Map<string, number>();
  readonly recoveries: Record<Blow | 'server', number[]> = { SIGKILL: [], SIGSTOP: [], server: [] };
  /** When the words of each attempt were said; of those that a killed process was saying nothing is known. */
  readonly words = new Map<string, readonly Word[]>();
  /** Sessions that nodes of the older version wrote, and those of them that nodes of this one went on with. */
  readonly written = new Set<string>();
  readonly woken = new Set<string>();
  stale = 0;
  readonly #open = new Set<Said>();
  readonly #hit = new Map<Said, { blow: Blow | 'server'; at: number }>();
  readonly #longing = new Set<{ since: number; served: (ms: number) => void }>();

  hear = (node: Node, report: Report): void => {
    if (report.type === 'invoked') {
      this.invocations.set(report.key, (this.invocations.get(report.key) ?? 0) + 1);
      if (node.isOld) this.written.add(report.session);
      else if (this.written.has(report.session)) this.woken.add(report.session);
    }
    if (report.type === 'ended') this.words.set(report.attempt, report.words);
    if (report.type === 'stale') this.stale += 1;
    if (report.type === 'error') this.errors.push(`${node.name}: ${report.message}`);
  };

  begin(session: string, content: string): Said {
    const said: Said = { session, content, began: Date.now() };
    this.said.push(said);
    this.#open.add(said);
    return said;
  }

  acknowledge(said: Said, answered: boolean): void {
    said.acknowledged = Date.now();
    said.answered = answered;
    const hit = this.#hit.get(said);
    if (hit && answered) this.recoveries[hit.blow].push(said.acknowledged - hit.at);
    if (answered) this.#serve(said.began, said.acknowledged);
    this.end(said);
  }

  /** Nothing more is expected of it. */
  end(said: Said): void {
    this.#open.delete(said);
    this.#hit.delete(said);
  }

  /** A node is struck: whoever waits for an answer that it writes, or through it, is waiting for another one from now on. */
  strike(node: Node, blow: Blow): void {
    const writing = new Set(node.working.values());
    for (const said of this.#open)
      if (writing.has(said.session) || said.asked === node.url) this.#hit.set(said, { blow, at: Date.now() });
  }

  /**
   * A NATS server is struck: whoever waits may have to wait for another one. Resolves, at the first answer to something that was
   * said afterwards, to how long nobody had one, ms.
   */
  strikeServer(): Promise<number> {
    const since = Date.now();
    for (const said of this.#open) this.#hit.set(said, { blow: 'server', at: since });
    return new Promise((served) => this.#longing.add({ since, served }));
  }

  #serve(began: number, at: number): void {
    for (const longing of this.#longing) {
      if (began < longing.since) continue;
      longing.served(at - longing.since);
      this.#longing.delete(longing);
    }
  }

  get reinvocations(): number {
    return [...this.invocations.values()].reduce((sum, count) => sum + count - 1, 0);
  }
}
