// Agents that are a chart of their user's: each step is remembered, questions go out, and nothing that ended is done again.
import { expect, onTestFinished, test } from 'vitest';
import { type AnyStateMachine, setup } from 'xstate';
import type { Migrations } from '../actors/versions.ts';
import { refunds } from '../examples/refund.ts';
import { performed } from '../machines/performed.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import type { AgentDefinition } from '../src/agents/definition.ts';
import type { Journal } from '../src/journal/journal.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { Refused } from '../src/platform/errors.ts';
import { judge, refold } from '../src/sessions/replay.ts';
import { createTroupe, type Troupe, type TroupeOptions } from '../src/troupe.ts';
import { askedIn } from './agents.ts';

const orders = [
  { id: '1001', euros: 20 },
  { id: '1002', euros: 400 },
];

async function running(agent: AgentDefinition, options: TroupeOptions = {}): Promise<Troupe> {
  const troupe = await createTroupe({ settings: { backoff_ms: 1 }, ...options, agents: [agent] });
  onTestFinished(() => troupe.close());
  return troupe;
}
const idle = (troupe: Troupe) => expect.poll(async () => (await troupe.session('s1').state()).turn).toBe('idle');

test('a chart runs to its answer, step by step', async () => {
  const paid: string[] = [];
  const troupe = await running(refunds(orders, async ({ id }, key) => `${paid.push(`${id} ${key}`)}`));
  expect(await troupe.session('s1').send('refund 1001')).toMatchObject({
    status: 'done',
    answer: '20 € are on their way.',
  });
  expect(paid).toEqual(['1001 default/s1-r1/refund#2.1']);
});

test('it asks the user, then a person, and goes on with what they say', async () => {
  const paid: string[] = [];
  const troupe = await running(refunds(orders, async ({ id }) => `${paid.push(id)}`));
  const session = troupe.session('s1');
  expect(await session.send('a refund please')).toMatchObject({
    status: 'awaiting_input',
    answer: 'What is the number of your order?',
  });
  const { question, status } = await session.send('it is 1002');
  expect({ status, question, paid }).toMatchObject({
    status: 'awaiting_approval',
    question: { summary: 'Refund 400 € for 1002?' },
    paid: [],
  });
  await session.approve({ approval: askedIn({ question }), decision: 'approve', by: 'ann' });
  await idle(troupe);
  expect([(await session.history('llm')).at(-1)!.content, paid]).toEqual(['400 € are on their way.', ['1002']]);
  const entries = (await troupe.journal.read(session.key)).map(({ entry }) => entry);
  const charts = [(refunds([], async () => '') as any).machine];
  expect(refold(entries, sessionMachine, charts)).toMatchObject({ identical: true, tasks: 2 });
});

test('a step that failed is tried again; the one before is not', async () => {
  let lookedUp = 0;
  let tries = 0;
  const agent = refunds(orders, async () => {
    tries += 1;
    if (tries === 1) throw new Error('the bank is away');
    return 'paid';
  });
  const lookUp = agent.actors!.lookUp!;
  const counted: typeof lookUp = (...args) => {
    lookedUp += 1;
    return lookUp(...args);
  };
  const counting = { ...agent, actors: { ...agent.actors, lookUp: counted } };
  const troupe = await running(counting);
  expect((await troupe.session('s1').send('refund 1001')).answer).toBe('20 € are on their way.');
  expect([lookedUp, tries]).toEqual([1, 2]);
});

test('a timer of the chart waits only for what remains after another process has woken it', async () => {
  const patient = setup({
    types: { input: {} as { message: string }, output: {} as { type: string; final_message: string } },
    actors: { note: performed<string, undefined>() },
    delays: { nap: 400 },
  }).createMachine({
    id: 'patient',
    version: '1',
    output: { type: 'answer', final_message: 'rested' },
    initial: 'noting',
    states: {
      noting: { invoke: { src: 'note', onDone: 'napping' } },
      napping: { after: { nap: 'rested' } },
      rested: { type: 'final' },
    },
  });
  const journal = { ...memoryJournal(), close: async () => {} };
  let noted = 0;
  const agent = {
    id: 'patient',
    kind: 'machine' as const,
    machine: patient,
    actors: {
      note: () => {
        noted += 1;
        return 'noted';
      },
    },
  };
  const first = await createTroupe({ journal, agents: [agent] });
  first
    .session('s1')
    .send('rest', { agent_id: 'patient' })
    .catch(() => {});
  await expect
    .poll(async () => (await journal.last({ tenant: 'default', session: 's1' }))?.entry.event.type)
    .toBe('progressed');
  await first.close();
  const second = await running(agent, { journal });
  await idle(second);
  expect([(await second.session('s1').history('llm')).at(-1)!.content, noted]).toEqual(['rested', 1]);
});

const asker = (version: string, migrate?: Migrations) =>
  setup({ types: { context: {} as { question: unknown; thanks: string } } }).createMachine({
    id: 'asker',
    version,
    meta: { migrate },
    context: { question: { type: 'input_required', prompt: 'Well?' }, thanks: 'thanks' },
    initial: 'asking',
    states: { asking: { tags: 'asks', on: { heard: 'over' } }, over: { type: 'final' } },
    output: ({ context }) => ({ type: 'answer', final_message: context.thanks }),
  });

/** A journal in which the first version of the chart has begun a run and asks, and a runtime on it with another one. */
async function begun() {
  const journal = { ...memoryJournal(), close: async () => {} };
  const on = async (machine: AnyStateMachine) => {
    const troupe = await createTroupe({ journal, agents: [{ id: 'asker', kind: 'machine', machine }] });
    onTestFinished(() => troupe.close());
    return troupe.session('s1');
  };
  await (await on(asker('1'))).send('hi', { agent_id: 'asker' });
  return { journal, on };
}

const thankful: Migrations = {
  '1': ({ context, ...rest }) => ({ ...rest, context: { ...(context as object), thanks: 'many thanks' } }),
};

test('a run that an earlier version of the chart began goes on as the chart migrates it', async () => {
  const { on } = await begun();
  expect(await (await on(asker('2', thankful))).send('well')).toMatchObject({ status: 'done', answer: 'many thanks' });
});

test.each<[string, AnyStateMachine, string]>([
  ['has no migration', asker('2'), 'its chart has no `meta.migrate`'],
  ['migrates other versions only', asker('3', { '2': thankful['1']! }), 'its chart migrates from version 2 only'],
  ['leads to no state', asker('2', { '1': (dump) => ({ ...dump, value: 'nirvana' }) }), 'its migration failed: '],
])('a run is refused and stays as it is while the chart %s', async (_, machine, why) => {
  const { journal, on } = await begun();
  const session = await on(machine);
  const before = (await journal.last(session.key))!.entry.n;
  const refused = { code: 'machine_version', status: 409, message: expect.stringContaining(why) };
  await expect(session.send('well')).rejects.toMatchObject(refused);
  await expect(session.state()).rejects.toMatchObject(refused);
  expect((await journal.last(session.key))!.entry.n).toBe(before);
  expect(judge(await entriesOf(journal), sessionMachine, [machine])).toMatchObject({
    verdict: 'stuck',
    why: refused.message,
  });
  expect(judge(await entriesOf(journal), sessionMachine, [asker('2', thankful)])).toMatchObject({
    verdict: 'identical',
  });
  expect(await (await on(asker('2', thankful))).send('well')).toMatchObject({ status: 'done', answer: 'many thanks' });
});

test('a flow one of whose steps has such a run is refused too', async () => {
  const journal = { ...memoryJournal(), close: async () => {} };
  const on = async (machine: AnyStateMachine) => {
    const agents: AgentDefinition[] = [
      { id: 'asker', kind: 'machine', machine },
      { id: 'both', kind: 'flow', mode: 'sequential', steps: ['asker'] },
    ];
    const troupe = await createTroupe({ journal, agents });
    onTestFinished(() => troupe.close());
    return troupe.session('s1');
  };
  await (await on(asker('1'))).send('hi', { agent_id: 'both' });
  await expect((await on(asker('2'))).send('well')).rejects.toMatchObject({ code: 'machine_version', status: 409 });
  expect(await (await on(asker('2', thankful))).send('well')).toMatchObject({ status: 'done', answer: 'many thanks' });
});

const entriesOf = async (journal: Journal) =>
  (await journal.read({ tenant: 'default', session: 's1' })).map(({ entry }) => entry);

test('a chart with an invoke that nobody performs is refused when it is declared', async () => {
  const { actors: _, ...bare } = refunds([], async () => '');
  await expect(createTroupe({ agents: [bare as AgentDefinition] })).rejects.toThrow(
    new Refused('bad_request', 'agent "refund" actors: nothing performs "lookUp", "refund", which its chart invokes'),
  );
});
