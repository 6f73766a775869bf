// What waking comes to when not all is well: one session that cannot be woken, one that breaks while its shard is being taken.
import { afterEach, describe, expect, test } from 'vitest';
import { Hooks } from '../actors/hooks.ts';
import { type Elsewhere, Orchestrator } from '../actors/orchestrator.ts';
import { settings } from '../machines/session/events.ts';
import { AgentPool } from '../src/agents/pool.ts';
import type { Journal, Key } from '../src/journal/journal.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { silent } from '../src/platform/log.ts';
import { Directory } from '../src/routing/directory.ts';
import { createTroupe } from '../src/troupe.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));
const keyOf = (session: string): Key => ({ tenant: 'default', session });

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** An agent whose calls never end, and the keys that it was called with. */
function endless() {
  const called: string[] = [];
  return {
    called,
    agent: {
      id: 'endless',
      triggers: ['go'],
      run: (_: string, { call }: { call: { idempotency_key: string } }) => {
        called.push(call.idempotency_key);
        return new Promise<never>(() => {});
      },
    },
  };
}

/** An orchestrator on a journal, with a cluster around it that says what it is told to. */
function orchestrate(journal: Journal, agent: ReturnType<typeof endless>['agent'], elsewhere: Elsewhere) {
  const clock = new SteppedClock(1_000);
  const pool = new AgentPool({ clock });
  pool.register('*', agent);
  const orchestrator = new Orchestrator({
    ...{ journal, clock, pool, elsewhere, log: silent },
    directory: new Directory({ pool }),
    hooks: new Hooks({}),
    settings: settings.parse({}),
    passivate_ms: 60_000,
    max_resident: 100,
  });
  ends.push(async () => {
    await orchestrator.stop();
    pool.stop();
  });
  return { orchestrator, clock };
}

describe('waking what is owed', () => {
  test('a session that another version of the chart wrote keeps no other from being woken, and says why it is not', async () => {
    // It outlives the first of its two runtimes.
    const journal = { ...memoryJournal(), close: async () => {} };
    const first = endless();
    const before = await createTroupe({ journal, agents: [first.agent] });
    for (const session of ['mine', 'theirs']) void before.session(session).send('go');
    await expect.poll(() => first.called.length).toBe(2);
    await before.close();
    const { version, entry } = (await journal.last(keyOf('theirs')))!;
    await journal.append(keyOf('theirs'), version, { ...entry, n: entry.n + 1, machine: 'session@0' });

    const second = endless();
    const after = await createTroupe({ journal, agents: [second.agent] });
    ends.push(() => after.close());
    await expect.poll(() => second.called).toEqual([first.called.find((key) => key.includes('mine'))]);
    await expect(after.session('theirs').state()).rejects.toMatchObject({ code: 'machine_version', status: 409 });
  });

  test('a session that breaks while its shard is being taken is woken when it has been', async () => {
    const journal = memoryJournal();
    const { called, agent } = endless();
    let owned = true;
    const elsewhere = { owns: () => owned, expects: () => true, away: false };
    const { orchestrator, clock } = orchestrate(journal, agent, {
      ...elsewhere,
      openAnswer: async () => undefined,
      listen: () => () => {},
    });
    await orchestrator.start();
    const session = await orchestrator.open(keyOf('s1'));
    const route = { agent: 'endless', confidence: 1, reason: 'trigger' };
    await session.send({ type: 'message', id: 'm1', content: 'go', route } as { type: string });
    await settle();
    // Somebody else wrote in between.
    const { version, entry } = (await journal.last(keyOf('s1')))!;
    await journal.append(keyOf('s1'), version, { ...entry, n: entry.n + 1 });
    owned = false;
    await expect(session.send({ type: 'pause' })).rejects.toMatchObject({ code: 'moved' });
    for (let seconds = 0; seconds < 3; seconds += 1) {
      clock.advance(1_000);
      await settle();
    }
    expect(orchestrator.sessions()).toEqual([]);
    owned = true;
    clock.advance(1_000);
    await expect.poll(() => called.length).toBe(2);
    expect(new Set(called).size).toBe(1);
  });
});
