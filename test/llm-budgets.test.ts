// Budgets: what is counted for whom, when the spending ends, and when it may go on.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createActor } from 'xstate';
import { budgetMachine } from '../machines/budget/machine.ts';
import { defineAgent } from '../src/agents/define.ts';
import type { Entry } from '../src/journal/journal.ts';
import { sqliteJournal } from '../src/journal/sqlite.ts';
import { Budgets, type Spender } from '../src/llm/budgets.ts';
import type { Budgets as Limits } from '../src/llm/limits.ts';
import { OpenAiModels } from '../src/llm/models.ts';
import type { LlmLevel } from '../src/llm/settings.ts';
import { spentSince } from '../src/llm/spent.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { Failed } from '../src/platform/errors.ts';
import { createTroupe } from '../src/troupe.ts';
import { failureOf } from './agent-server.ts';
import { calling, hello, KEY, never, scope, scriptedModel } from './llm.ts';

const refused = (budgets: Budgets, spender: Spender, limits: Limits): Failed | undefined => {
  try {
    budgets.admit(spender, limits);
    return undefined;
  } catch (error) {
    if (error instanceof Failed) return error;
    throw error;
  }
};

describe('a budget', () => {
  test('is the same whatever was spent in which order: it admits until a limit is reached, and after the window', () => {
    const step = fc.oneof(
      fc.record({ tokens: fc.integer({ min: 0, max: 40 }), cost_usd: fc.integer({ min: 0, max: 4 }) }),
      fc.constant({ calls: 1 }),
      fc.record({ wait: fc.integer({ min: 0, max: 400 }) }),
    );
    const limits = fc.record(
      { tokens: fc.constant(100), cost_usd: fc.constant(10), calls: fc.constant(5) },
      { requiredKeys: ['calls'] },
    );
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 60 }), (limits, steps) => {
        const clock = new SteppedClock();
        const chart = createActor(budgetMachine, { clock, input: { ...limits, window_ms: 1_000 } }).start();
        let since: number | undefined;
        let spent = { tokens: 0, cost_usd: 0, calls: 0 };
        for (const told of steps) {
          if ('wait' in told) clock.advance(told.wait);
          if (since !== undefined && clock.now() >= since + 1_000) {
            since = undefined;
            spent = { tokens: 0, cost_usd: 0, calls: 0 };
          }
          if (!('wait' in told)) {
            chart.send({ type: 'spend', ...told });
            since ??= clock.now();
            for (const [name, amount] of Object.entries(told)) spent[name as 'calls'] += amount;
          }
          const within = Object.entries(limits).every(([name, limit]) => spent[name as 'calls'] < limit!);
          expect(chart.getSnapshot().hasTag('admits')).toBe(within);
          expect(chart.getSnapshot().context).toMatchObject(spent);
        }
      }),
    );
  });

  test('of calls lets exactly so many through, also when they all begin at once', () => {
    const budgets = new Budgets();
    const admitted = Array.from({ length: 10 }, () => refused(budgets, scope, { session: { calls: 3 } }));
    expect(admitted.filter((failed) => failed === undefined)).toHaveLength(3);
    expect(admitted[3]).toMatchObject({ code: 'budget_exceeded', retryable: false });
    budgets.stop();
  });

  test('says whose it is, what is spent, and in how many seconds there is more; then there is', () => {
    const clock = new SteppedClock(1_000_000);
    const budgets = new Budgets({ clock });
    const limits = { agent: { tokens: 100, window_s: 60 } };
    budgets.admit(scope, limits);
    clock.advance(20_000);
    budgets.spend(scope, limits, { tokens: 120 });
    expect(refused(budgets, scope, limits)).toMatchObject({
      message: 'agent "helper" has spent its 100 tokens for models; there is more in 40 s',
      details: { retry_after_s: 40, scope: 'agent' },
    });
    clock.advance(39_999);
    expect(refused(budgets, scope, limits)).toBeDefined();
    clock.advance(1);
    expect(refused(budgets, scope, limits)).toBeUndefined();
  });

  test('is counted for its session, user, agent and tenant, and for no others', () => {
    const clock = new SteppedClock();
    const one: Spender = { tenant: 'acme', session_id: 's1', agent_id: 'a', user: 'ann' };
    for (const [name, same, other] of [
      ['session', { ...one, agent_id: 'b', user: 'bob' }, { ...one, session_id: 's2' }],
      ['user', { ...one, session_id: 's2', agent_id: 'b' }, { ...one, user: 'bob' }],
      ['agent', { ...one, session_id: 's2', user: 'bob' }, { ...one, agent_id: 'b' }],
      ['tenant', { ...one, session_id: 's2', agent_id: 'b', user: 'bob' }, { ...one, tenant: 'globex' }],
    ] as const) {
      const budgets = new Budgets({ clock });
      const limits = { [name]: { calls: 1 } };
      expect(refused(budgets, one, limits)).toBeUndefined();
      expect(refused(budgets, same, limits)?.details.scope).toBe(name);
      expect(refused(budgets, other, limits)).toBeUndefined();
      expect(refused(budgets, { ...one, tenant: 'globex', session_id: 'other', agent_id: 'x' }, limits)?.code).toBe(
        name === 'tenant' ? 'budget_exceeded' : undefined,
      );
    }
  });

  test('that refuses a call leaves nothing counted on the others', () => {
    const budgets = new Budgets();
    const limits = { session: { calls: 10 }, tenant: { calls: 1 } };
    budgets.admit(scope, limits);
    for (let times = 0; times < 5; times += 1) expect(refused(budgets, scope, limits)).toBeDefined();
    expect(budgets.view('acme').map(({ scope, spent }) => [scope, spent.calls])).toEqual([
      ['session', 1],
      ['tenant', 1],
    ]);
    budgets.stop();
  });

  test('is shown while its window is open, to its own tenant', () => {
    const clock = new SteppedClock(5_000);
    const budgets = new Budgets({ clock });
    const limits = { session: { cost_usd: 0.5, window_s: 10 } };
    budgets.admit(scope, limits);
    budgets.spend(scope, limits, { tokens: 70, cost_usd: 0.6 });
    expect(budgets.view('acme')).toEqual([
      {
        scope: 'session',
        tenant: 'acme',
        id: 's1',
        state: 'spent',
        spent: { tokens: 70, cost_usd: 0.6, calls: 1 },
        limit: { cost_usd: 0.5 },
        resets_at: 15_000,
      },
    ]);
    expect(budgets.view('globex')).toEqual([]);
    clock.advance(10_000);
    expect(budgets.view()).toEqual([]);
  });

  test('takes no more memory than it may: those that are spent are kept', () => {
    const budgets = new Budgets({ most: 100 });
    const limits = { session: { calls: 2 } };
    for (const session_id of ['spent', 'spent']) budgets.admit({ ...scope, session_id }, limits);
    for (let n = 0; n < 1_000; n += 1) budgets.admit({ ...scope, session_id: `s${n}` }, limits);
    expect(budgets.view()).toHaveLength(100);
    expect(refused(budgets, { ...scope, session_id: 'spent' }, limits)).toBeDefined();
    budgets.stop();
  });
});

describe('a call of a model', () => {
  const price = { input_per_million: 1_000_000, output_per_million: 2_000_000 };

  test('over budget fails before a request is made', async () => {
    const { call, server } = await calling([{ text: 'x', usage: { input: 3, output: 2 } }, 'never said'], {
      prices: { 'test-model': price },
      budgets: { tenant: { cost_usd: 7 } },
    });
    await call();
    expect(await failureOf(call())).toMatchObject({
      code: 'budget_exceeded',
      message: expect.stringContaining('tenant "acme" has spent its $7 for models'),
      details: { retry_after_s: expect.any(Number) },
    });
    expect(server.requests).toHaveLength(1);
  });

  test('costs what the endpoint counted; what was cut off, or not counted, is guessed and counts too', async () => {
    const long = 'word '.repeat(100);
    const budgets = { session: { tokens: 1_000_000 } };
    const tokens = async (answer: object, more: LlmLevel = {}) => {
      const { call, models } = await calling([answer as any], { budgets, ...more });
      await call().catch(() => {});
      return models.budgets.view()[0]!.spent;
    };
    expect(await tokens({ text: 'x', usage: { input: 30, output: 12 } })).toMatchObject({ tokens: 42, calls: 1 });
    expect((await tokens({ text: long, usage: false })).tokens).toBeGreaterThan(125);
    expect((await tokens({ text: long, cut: { after: 60, how: 'break' } })).tokens).toBeGreaterThan(60);
    expect(await tokens({ status: 500 })).toEqual({ tokens: 0, cost_usd: 0, calls: 1 });
  });

  test('with a budget in dollars needs a price', async () => {
    const { call, server } = await calling(['never said'], { budgets: { tenant: { cost_usd: 1 } } });
    expect(await failureOf(call())).toMatchObject({
      code: 'llm_not_configured',
      message: expect.stringContaining('`prices` has none for "test-model"'),
    });
    expect(server.requests).toEqual([]);
  });

  test('counts for the user that the session names', async () => {
    const server = await scriptedModel(() => 'ok');
    const founder = { base_url: server.url, api_key: KEY, model: 'm' };
    const users = { 'acme/ann': { budgets: { user: { calls: 1 } } } };
    const models = new OpenAiModels({ settings: { founder, users } });
    const ask = (session_id: string, id: string) =>
      models.call({ ...scope, session_id, config: { user: { id } } }, hello, { signal: never() });
    await ask('s1', 'ann');
    expect(await failureOf(ask('s2', 'ann'))).toMatchObject({
      message: expect.stringContaining('user "ann" has spent its 1 calls'),
    });
    await ask('s3', 'bob');
    models.stop();
  });
});

describe('what a session has spent', () => {
  test('is known again after a restart, for the rest of its window', async () => {
    const server = await scriptedModel(() => ({ text: 'ok', usage: { input: 40, output: 20 } }));
    const folder = await mkdtemp(join(tmpdir(), 'troupe-budget-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const start = () =>
      createTroupe({
        agents: [defineAgent({ id: 'model', kind: 'llm', triggers: ['think'] })],
        journal: sqliteJournal({ path: join(folder, 'troupe.db') }),
        llm: {
          founder: { base_url: server.url, api_key: KEY, model: 'm', budgets: { session: { tokens: 100 } } },
        },
      });
    let troupe = await start();
    await troupe.session('s1').send('think');
    await troupe.close();
    troupe = await start();
    expect((await troupe.session('s1').send('think')).status).toBe('done');
    const [book] = troupe.models.budgets.view('default');
    expect(book).toMatchObject({ id: 's1', state: 'spent', spent: { tokens: 120, calls: 2 } });
    await troupe.close();
    troupe = await start();
    onTestFinished(() => troupe.close());
    expect((await troupe.session('s1').send('think')).error?.code).toBe('budget_exceeded');
    expect((await troupe.session('s2').send('think')).status).toBe('done');
    expect(server.requests).toHaveLength(3);
  });

  test('is what models replied since its window began, and nothing else', () => {
    const entry = (at: number, ...emitted: object[]) => ({ at, emitted }) as unknown as Entry;
    const replied = (usage?: object) => ({ type: 'model_replied', usage });
    const entries = [
      entry(10, replied({ total_tokens: 1_000 })),
      entry(20, { type: 'agent_invoke_done', usage: { total_tokens: 5 } }),
      entry(30, replied({ total_tokens: 7, cost_usd: 0.5 }), replied({ total_tokens: 1 })),
      entry(40, replied()),
    ];
    expect(spentSince(entries, 10)).toEqual({ since: 30, calls: 3, tokens: 8, cost_usd: 0.5 });
    expect(spentSince(entries, 40)).toBeUndefined();
  });
});
