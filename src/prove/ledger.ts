// The ledger of sent and acknowledged messages and of the nodes' reports, from which the proof is judged.
import type { Report } from './node.ts';
import type { Node } from './nodes.ts';
import type { Word } from './script.ts';

export interface Said {
  readonly session: string;
  /** Unique text of the message; also its idempotency key. */
  readonly content: string;
  readonly began: number;
  /** When a node acknowledged that the message is journaled, ms since the epoch. */
  acknowledged?: number;
  /** Whether the reply carried the answer; otherwise the answer follows once the person releases the floor. */
  answered?: boolean;
  /** URL of the node that currently has the request. */
  asked?: string;
}

/** A fault of a node. */
export type Blow = 'SIGKILL' | 'SIGSTOP';

export class Ledger {
  readonly said: Said[] = [];
  readonly errors: string[] = [];
  /** Messages that no node answered within a minute. */
  readonly failed: string[] = [];
  readonly invocations = new Map<string, number>();
  readonly recoveries: Record<Blow | 'server', number[]> = { SIGKILL: [], SIGSTOP: [], server: [] };
  /** When each attempt said its words; an attempt of a killed process has none. */
  readonly words = new Map<string, readonly Word[]>();
  /** Sessions written by nodes of the older version, and those of them that nodes of this version continued. */
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

  /** The message has its answer or has failed. */
  end(said: Said): void {
    this.#open.delete(said);
    this.#hit.delete(said);
  }

  /** Records a fault of a node: messages whose answer it writes or relays now measure their recovery from here. */
  strike(node: Node, blow: Blow): void {
    const writing = new Set(node.working.values());
    for (const said of this.#open)
      if (writing.has(said.session) || said.asked === node.url) this.#hit.set(said, { blow, at: Date.now() });
  }

  /**
   * Records the kill of a NATS server, from which all open messages measure their recovery. Resolves, at the first answer to a
   * message sent afterwards, to the time since the kill, ms.
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
