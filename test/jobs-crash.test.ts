// A process that runs jobs may die between any two steps: what the jobs come to is the same, and no step that counted comes again.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { JOB } from '../actors/orchestrator.ts';
import { createTroupe, defineAgent, defineOrchestrator, Failed, type Journal, type Troupe } from '../src/index.ts';
import type { Clock } from '../src/platform/clock.ts';
import { memoryJournal, SteppedClock } from '../src/testing.ts';

type Point = 'before append' | 'after append' | 'before effect' | 'after effect' | 'before timer';

const never = <T>(): Promise<T> => new Promise(() => {});
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Life {
  dead: boolean;
  readonly died: Promise<void>;
  readonly die: () => void;
}

/** What jobs came to, and what their steps did outside of everything that is remembered. */
interface Played {
  readonly jobs: unknown[];
  readonly effects: string[];
  readonly points: Point[];
  readonly crashes: number;
}

class Model {
  readonly #store = memoryJournal();
  readonly #clock = new SteppedClock(1_000_000);
  readonly #crashAt: ReadonlySet<number>;
  readonly #points: Point[] = [];
  readonly #effects: string[] = [];
  #crashes = 0;

  constructor(crashAt: readonly number[] = []) {
    this.#crashAt = new Set(crashAt);
  }

  /** Enqueues a parent that has two steps, fails once, and enqueues two children; goes on until all of them have ended. */
  async play(): Promise<Played> {
    let enqueued = false;
    for (;;) {
      const life = lived();
      const troupe = await Promise.race([this.#boot(life), life.died]);
      if (!troupe) continue;
      if (!enqueued) {
        // A caller that does not give up.
        const sent = troupe.enqueue('parent', { n: 1 }, { key: 'only' });
        if (!(await Promise.race([sent, life.died]))) continue;
        enqueued = true;
      }
      if (!(await this.#settled(life))) continue;
      const { jobs } = await troupe.jobs.list();
      const all = await Promise.all(jobs.map(({ job_id }) => troupe.jobs.get(job_id)));
      life.dead = true;
      return {
        jobs: all
          .map(({ orchestrator, state, steps, error, result }) => ({
            ...{ orchestrator, state, steps, error },
            data: result?.records.map(({ data }) => data),
          }))
          .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
        effects: this.#effects,
        points: this.#points,
        crashes: this.#crashes,
      };
    }
  }

  /** True when nothing is left to happen; false when the process died. */
  async #settled(life: Life): Promise<boolean> {
    for (let quiet = 0, seen = -1; quiet < 3; ) {
      if (life.dead) return false;
      await breathe();
      quiet = this.#points.length === seen ? quiet + 1 : 0;
      seen = this.#points.length;
      const next = this.#clock.next();
      const rows = await this.#store.rows({ limit: 100 });
      const open = rows.some(({ key, state }) => key.session.startsWith(JOB) && state !== 'done');
      if (quiet === 3 && open && next !== undefined) {
        this.#clock.advance(next - this.#clock.now());
        quiet = 0;
      }
    }
    return true;
  }

  #boot(life: Life): Promise<Troupe> {
    const helper = defineAgent({ id: 'helper', run: (message) => `did ${message}` });
    const effect = async (key: string): Promise<string> => {
      if (this.#at(life, 'before effect')) return never();
      this.#effects.push(key);
      return this.#at(life, 'after effect') ? never() : key;
    };
    const child = defineOrchestrator({
      name: 'child',
      version: '1',
      payload: z.object({ n: z.number() }),
      async run({ n }, { step, call, record, idempotency_key }) {
        const name = await step('work', () => effect(`${idempotency_key} ${n}`));
        return [record(name.split(' ')[1], await call('helper', String(n)))];
      },
    });
    const parent = defineOrchestrator({
      name: 'parent',
      version: '1',
      backoff_ms: 100,
      payload: z.object({ n: z.number() }),
      async run(_, { step, call, record, enqueue, attempt, progress, idempotency_key }) {
        await step('first', () => effect(`${idempotency_key} first`));
        progress(0.5);
        await enqueue('child', { n: 1 });
        if (attempt === 1) throw new Failed('unlucky', 'the first attempt fails');
        await step('second', () => effect(`${idempotency_key} second`));
        await enqueue('child', { n: 2 });
        return [record('parent', await call('helper', 'it'))];
      },
    });
    return createTroupe({
      agents: [helper],
      orchestrators: [parent, child],
      jobs: { workers: 2 },
      journal: this.#journal(life),
      clock: this.#timers(life),
    });
  }

  /** Counts a step; true when the process dies here. */
  #at(life: Life, point: Point): boolean {
    if (life.dead) return true;
    this.#points.push(point);
    if (!this.#crashAt.has(this.#points.length - 1)) return false;
    this.#crashes += 1;
    life.die();
    return true;
  }

  #timers(life: Life): Clock {
    const clock = this.#clock;
    return {
      now: clock.now,
      setTimeout: (fn, ms) => clock.setTimeout(() => this.#at(life, 'before timer') || fn(), ms),
      clearTimeout: clock.clearTimeout,
    };
  }

  #journal(life: Life): Journal {
    const store = this.#store;
    return {
      ...store,
      append: async (key, after, entry) => {
        if (this.#at(life, 'before append')) return never();
        const version = await store.append(key, after, entry);
        return this.#at(life, 'after append') ? never() : version;
      },
      last: (key) => (life.dead ? never() : store.last(key)),
      read: (...args) => (life.dead ? never() : store.read(...args)),
      rows: (query) => (life.dead ? never() : store.rows(query)),
      close: async () => {},
    };
  }
}

function lived(): Life {
  const { promise: died, resolve } = Promise.withResolvers<void>();
  const life: Life = {
    dead: false,
    died,
    die: () => {
      life.dead = true;
      resolve();
    },
  };
  return life;
}

describe('a process that runs jobs and dies between any two steps', () => {
  it('leaves the same jobs done as one that lives', async () => {
    const calm = await new Model().play();
    expect(calm.jobs).toMatchObject([
      { orchestrator: 'child', state: 'done', steps: 1, data: ['1'] },
      { orchestrator: 'child', state: 'done', steps: 1, data: ['2'] },
      { orchestrator: 'parent', state: 'done', steps: 2, data: ['parent'] },
    ]);
    expect(calm.effects).toHaveLength(4);
    const died = new Map<Point, number>();
    let again = 0;
    for (let point = 0; point < calm.points.length; point += 1)
      for (const crashAt of [[point], [point, point + 1], [point, point + 3], [point, point + 5]]) {
        const crashed = await new Model(crashAt).play();
        const where = `dies at ${crashAt.map((at) => `${at} (${crashed.points[at]})`)}`;
        expect(crashed.crashes, where).toBeGreaterThan(0);
        expect(crashed.jobs, where).toEqual(calm.jobs);
        // A step that was done and not remembered comes again under its key; nothing else does.
        expect([...new Set(crashed.effects)].sort(), where).toEqual([...calm.effects].sort());
        const repeated = crashed.effects.length - calm.effects.length;
        expect(repeated, where).toBeLessThanOrEqual(2 * crashed.crashes);
        again += repeated;
        died.set(calm.points[point]!, (died.get(calm.points[point]!) ?? 0) + 1);
      }
    console.log(`jobs: ${calm.points.length} steps, deaths:`, Object.fromEntries(died), `${again} effects repeated`);
    expect(again).toBeGreaterThan(0);
  });
});
