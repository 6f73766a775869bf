// What was said, what was acknowledged, and what the nodes told: everything that the proof is judged by.
import type { Report } from './node.ts';
import type { Node } from './nodes.ts';

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

export type Blow = 'SIGKILL' | 'SIGSTOP';

export class Ledger {
  readonly said: Said[] = [];
  readonly errors: string[] = [];
  /** Messages that were refused, or that nobody answered for a minute. */
  readonly failed: string[] = [];
  readonly invocations = new Map<string, number>();
  readonly recoveries: Record<Blow, number[]> = { SIGKILL: [], SIGSTOP: [] };
  stale = 0;
  readonly #open = new Set<Said>();
  readonly #hit = new Map<Said, { blow: Blow; at: number }>();

  hear = (node: Node, report: Report): void => {
    if (report.type === 'invoked') this.invocations.set(report.key, (this.invocations.get(report.key) ?? 0) + 1);
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

  get reinvocations(): number {
    return [...this.invocations.values()].reduce((sum, count) => sum + count - 1, 0);
  }
}
