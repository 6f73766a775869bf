// Agents that are a chart of their user's: each step is remembered, questions go out, and nothing that ended is done again.
import { expect, onTestFinished, test } from 'vitest';
import { type AnyStateMachine, setup } from 'xstate';
import type { Migrations } from '../actors/versions.ts';
import { refunds } from '../examples/refund.ts';
import { performed } from '../machines/performed.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { Refused } from '../src/platform/errors.ts';
import { refold } from '../src/sessions/replay.ts';
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

/** What comes of a run that the first version began, when the second one has the answer. */
async function answeredBy(machine: AnyStateMachine) {
  const journal = { ...memoryJournal(), close: async () => {} };
  const first = await createTroupe({ journal, agents: [{ id: 'asker', kind: 'machine', machine: asker('1') }] });
  await first.session('s1').send('hi', { agent_id: 'asker' });
  await first.close();
  const second = await running({ id: 'asker', kind: 'machine', machine }, { journal });
  return second.session('s1').send('well');
}

test('a run that an earlier version of the chart began goes on as the chart migrates it', async () => {
  const migrate: Migrations = {
    '1': ({ context, ...rest }) => ({ ...rest, context: { ...(context as object), thanks: 'many thanks' } }),
  };
  expect(await answeredBy(asker('2', migrate))).toMatchObject({ status: 'done', answer: 'many thanks' });
});

test('a run that another version of the chart began is refused with what to do where there is no migration', async () => {
  expect(await answeredBy(asker('2'))).toMatchObject({
    status: 'failed',
    error: {
      code: 'machine_version',
      message:
        'the run of agent "asker" was written by asker@1, and this is asker@2: its chart has no `meta.migrate`; cancel it and say it again',
    },
  });
});

test('a chart with an invoke that nobody performs is refused when it is declared', async () => {
  const { actors: _, ...bare } = refunds([], async () => '');
  await expect(createTroupe({ agents: [bare as AgentDefinition] })).rejects.toThrow(
    new Refused('bad_request', 'agent "refund" actors: nothing performs "lookUp", "refund", which its chart invokes'),
  );
});
