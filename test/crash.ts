// A model of a process that can die between any two steps of its loop, and be started again on what the journal has.
import { z } from 'zod';
import { messagesOf } from '../actors/transcript.ts';
import type { AgentContext, AgentResult, AgentReturn } from '../src/agents/definition.ts';
import type { Emitted } from '../src/emitted/emitted.ts';
import type { Entry, Journal, Key } from '../src/journal/journal.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import type { ModelReply, Models } from '../src/llm/model.ts';
import type { Clock } from '../src/platform/clock.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { Failed, Refused } from '../src/platform/errors.ts';
import type { Tool } from '../src/tools/tool.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';

/** Where a process can die: around what it remembers, around what it does, and before it takes what comes back. */
export type Point =
  | 'before append'
  | 'after append'
  | 'before effect'
  | 'after effect'
  | 'before result'
  | 'before timer';

/** What happens to the session, in order. Everything is decided by the operation and the state, nothing by timing. */
export type Operation =
  | { readonly do: 'send'; readonly event: { readonly type: string; readonly [member: string]: unknown } }
  /** The agent that is at work comes to its end: with this answer or failure. */
  | { readonly do: 'answer'; readonly result: AgentReturn }
  | { readonly do: 'fail'; readonly retryable: boolean }
  | { readonly do: 'advance'; readonly ms: number };

interface Pending {
  readonly key: string;
  /** It is a call of a model, which replies with what an agent would have answered with. */
  readonly model?: true;
  readonly resolve: (result: AgentReturn) => void;
  readonly reject: (error: Error) => void;
}

/** What a run of the model comes to; two runs of the same operations must come to the same, however often one crashed. */
export interface Played {
  readonly transcript: string[];
  readonly told: string[];
  readonly replies: string[];
  readonly state: string;
  readonly owed: string[];
  readonly working: number;
  readonly entries: readonly Entry[];
  /** Steps at which it could have died. */
  readonly steps: Point[];
  readonly crashes: number;
  /** What was done again though its completion was remembered: must be empty. */
  readonly repeated: readonly string[];
}

const key: Key = { tenant: 'default', session: 's1' };
const never = <T>(): Promise<T> => new Promise(() => {});
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Node {
  dead = false;
  troupe!: Troupe;
  readonly pending: Pending[] = [];
  readonly died: Promise<void>;
  #die!: () => void;

  constructor() {
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  kill(): void {
    this.dead = true;
    this.#die();
  }
}

export class Model {
  readonly #store = memoryJournal();
  readonly #clock = new SteppedClock(1_000_000);
  readonly #crashAt: ReadonlySet<number>;
  readonly #steps: Point[] = [];
  #crashes = 0;
  /** Calls of tools and of the model whose results are in the journal, by their keys. */
  readonly #completed = new Set<string>();
  readonly #repeated: string[] = [];
  #replied = '';
  #node!: Node;

  /** Dies at these steps, counted from 0 over all its lives. */
  constructor(crashAt: readonly number[] = []) {
    this.#crashAt = new Set(crashAt);
  }

  async play(operations: readonly Operation[]): Promise<Played> {
    this.#node = await this.#boot();
    const replies: string[] = [];
    for (const [index, operation] of operations.entries()) {
      await this.#settle();
      if (operation.do === 'send') replies.push(await this.#send(operation.event, `op-${index}`));
      else if (operation.do === 'advance') await this.#advance(operation.ms);
      else await this.#end(operation);
    }
    await this.#settle();
    const entries = (await this.#store.read(key)).map(({ entry }) => entry);
    const last = entries.at(-1);
    return {
      transcript: entries.flatMap((entry) => messagesOf(entry)).map(({ role, content }) => `${role}: ${content}`),
      told: entries.flatMap(({ emitted }) => emitted.filter(({ type }) => type !== 'run_recovered').map(line)),
      replies,
      state: last?.state ?? '',
      owed: (last?.owed ?? []).map(({ id }) => id),
      working: this.#node.pending.length,
      entries,
      steps: this.#steps,
      crashes: this.#crashes,
      repeated: this.#repeated,
    };
  }

  /** A caller that does not give up: it repeats an unacknowledged request with the same cause. */
  async #send(event: { type: string }, cause: string): Promise<string> {
    for (;;) {
      const node = this.#node;
      const sent = node.troupe.orchestrator
        .open(key)
        .then((session) => session.send(event, cause))
        .then(
          () => 'ok',
          (error) => (error instanceof Refused ? error.code : Promise.reject(error)),
        );
      const reply = await Promise.race([sent, node.died]);
      if (reply) return reply;
      await this.#settle();
    }
  }

  /** Ends the attempt that is at work; as long as its result has not been taken, it is at work. */
  async #end(operation: Extract<Operation, { do: 'answer' | 'fail' }>): Promise<void> {
    // Of agents that work at once the first by name, for they may begin again in another order.
    const [attempt] = this.#node.pending.map(({ key }) => key).sort();
    for (;;) {
      const index = this.#node.pending.findIndex((pending) => pending.key === attempt);
      if (index < 0) return;
      const [pending] = this.#node.pending.splice(index, 1);
      if (operation.do === 'answer') pending!.resolve(operation.result);
      else pending!.reject(new Failed('agent_failed', 'as the script says', operation.retryable));
      await this.#settle();
    }
  }

  /** Time passes from timer to timer, and after each everything that follows from it happens. */
  async #advance(ms: number): Promise<void> {
    const end = this.#clock.now() + ms;
    for (;;) {
      const next = this.#clock.next();
      if (next === undefined || next > end) break;
      this.#clock.advance(Math.max(0, next - this.#clock.now()));
      await this.#settle();
    }
    this.#clock.advance(end - this.#clock.now());
    await this.#settle();
  }

  /** Everything that can happen without time passing has happened, in a process that lives. */
  async #settle(): Promise<void> {
    for (let quiet = 0, seen = -1; quiet < 2; ) {
      if (this.#node.dead) this.#node = await this.#boot();
      if (this.#clock.next() === this.#clock.now()) this.#clock.advance(0);
      await breathe();
      quiet = this.#steps.length === seen ? quiet + 1 : 0;
      seen = this.#steps.length;
    }
  }

  async #boot(): Promise<Node> {
    for (;;) {
      const node = new Node();
      this.#node = node;
      const started = createTroupe({
        agents: [
          { id: 'worker', fallbacks: ['stand-in'], run: (_, context) => this.#work(node, context) },
          { id: 'stand-in', run: (_, context) => this.#work(node, context) },
          {
            id: 'thinker',
            kind: 'llm',
            fallbacks: ['stand-in'],
            transfers: ['stand-in'],
            tools: [this.#tool('look'), this.#tool('pay')],
            max_steps: 3,
          },
          // One agent after the other, of which one goes on from its own task; and two at once.
          { id: 'relay', kind: 'flow', mode: 'sequential', steps: ['worker', 'thinker', 'stand-in'], attempts: 2 },
          {
            id: 'chorus',
            kind: 'flow',
            mode: 'parallel',
            steps: ['worker', 'stand-in'],
            on_failure: 'continue',
            attempts: 2,
          },
        ],
        journal: this.#journal(node),
        clock: this.#timers(node),
        settings: {
          backoff_ms: 500,
          attempts: 2,
          input_ms: 8_000,
          approval_ms: 5_000,
          attempt_ms: 20_000,
          recoveries: 100,
        },
        // A breaker's memory is a node's own and dies with it; it is not what this model is about.
        // Two runs of the same script back off alike.
        random: () => 0.5,
        pool: { breaker: { failure_threshold: 1_000_000 }, models: { call: (...args) => this.#think(node, ...args) } },
        passivate_ms: 2_000,
        shouldProcess: ({ message }) => !message.includes('forbidden'),
      });
      const troupe = await Promise.race([started, node.died]);
      if (!troupe) continue;
      node.troupe = troupe;
      return node;
    }
  }

  /** Counts a step; true when the process dies here. */
  #at(node: Node, point: Point): boolean {
    if (node.dead) return true;
    this.#steps.push(point);
    if (!this.#crashAt.has(this.#steps.length - 1)) return false;
    this.#crashes += 1;
    node.kill();
    return true;
  }

  #work(node: Node, { call, signal }: AgentContext): Promise<AgentReturn> {
    const step = `${call.run_id}/${call.step?.replace(/~.*/, '')}`;
    if (this.#completed.has(step)) this.#repeated.push(`step ${step}`);
    return this.#wait(node, signal, { key: call.idempotency_key });
  }

  /** The model asks for what an agent would have asked for itself. */
  async #think(node: Node, ...[scope, _, { signal }]: Parameters<Models['call']>): Promise<ModelReply> {
    const key = scope.idempotency_key!;
    if (this.#completed.has(key)) this.#repeated.push(`the model, ${key}`);
    const result = await this.#wait(node, signal, { key, model: true });
    this.#replied = key;
    const asks = typeof result === 'string' ? undefined : (result as AgentResult).type;
    const name =
      asks && { input_required: 'look', approval_required: 'pay', handoff: 'transfer_to_stand-in' }[asks as 'handoff'];
    const calls = name
      ? [
          { id: 'a', name, arguments: '{}' },
          { id: 'b', name: 'look', arguments: '{}' },
        ]
      : [];
    const text = typeof result === 'string' ? result : '';
    return { text, calls, finish_reason: 'stop', model: 'scripted' };
  }

  #tool(name: string): Tool<any> {
    return {
      name,
      description: '',
      input: z.object({}),
      approval: name === 'pay',
      execute: (_, { idempotency_key }) => {
        if (this.#completed.has(idempotency_key)) this.#repeated.push(`${name}, ${idempotency_key}`);
        return name;
      },
    };
  }

  /** Notes whose results this entry remembers. */
  #note({ event, emitted }: Entry): void {
    // What is remembered of the steps of a flow: each is over, or its agent told on its way.
    for (const one of emitted) {
      if (one.type === 'step_finished') this.#completed.add(`${one.run_id}/${one.step}`);
      if (one.type === 'tool_finished' && one.path !== undefined)
        this.#completed.add(`${one.run_id}/${one.agent}/${one.path}#${one.call}`);
      if (one.type === 'model_replied') this.#completed.add(this.#replied);
    }
    if (event.type !== 'progressed') return;
    // A call of the model is named `tenant/task#entry.k`, one of a tool `task#call`.
    const task = this.#replied.replace(/^[^/]*[/]|#.*$/g, '');
    for (const one of event.events as { type: string; call?: string }[]) {
      if (one.type === 'xstate.done.actor.model') this.#completed.add(this.#replied);
      if (one.type === 'tool.finished') this.#completed.add(`${task}#${one.call}`);
    }
  }

  #wait(node: Node, signal: AbortSignal, as: Pick<Pending, 'key' | 'model'>): Promise<AgentReturn> {
    if (this.#at(node, 'before effect')) return never();
    const work = new Promise<AgentReturn>((resolve, reject) => {
      const pending = { ...as, resolve, reject };
      node.pending.push(pending);
      signal.addEventListener('abort', () => {
        const index = node.pending.indexOf(pending);
        if (index >= 0) node.pending.splice(index, 1);
      });
    });
    if (this.#at(node, 'after effect')) return never();
    const taken = <T>(go: () => T) => (this.#at(node, 'before result') ? never<T>() : go());
    return work.then(
      (result) => taken(() => result),
      (error) => taken(() => Promise.reject(error)) as never,
    );
  }

  #timers(node: Node): Clock {
    const clock = this.#clock;
    return {
      now: clock.now,
      setTimeout: (fn, ms) => clock.setTimeout(() => this.#at(node, 'before timer') || fn(), ms),
      clearTimeout: clock.clearTimeout,
    };
  }

  #journal(node: Node): Journal {
    const store = this.#store;
    return {
      append: async (of, after, entry) => {
        if (this.#at(node, 'before append')) return never();
        const version = await store.append(of, after, entry);
        this.#note(entry);
        return this.#at(node, 'after append') ? never() : version;
      },
      last: (of) => (node.dead ? never() : store.last(of)),
      read: (of, from, limit) => (node.dead ? never() : store.read(of, from, limit)),
      tail: (of, count) => (node.dead ? never() : store.tail(of, count)),
      rows: (query) => (node.dead ? never() : store.rows(query)),
      census: (tenant) => store.census(tenant),
      follow: (of, follower) => store.follow(of, follower),
      remove: (of) => store.remove(of),
      close: async () => {},
    };
  }
}

/** What was told, without how long the call took: whoever performs it again measures another time. */
const line = (one: Emitted): string => JSON.stringify({ ...one, ms: undefined });
