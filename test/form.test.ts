// A form agent: what its chart can and cannot do, and how whole dialogues with it read.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { adjacencyMapToArray, getAdjacencyMap } from 'xstate/graph';
import { z } from 'zod';
import type { FormContext, FormEvent } from '../machines/form/events.ts';
import { formMachine } from '../machines/form/machine.ts';
import type { AgentResult, FormAgent } from '../src/agents/definition.ts';
import { formPerformer } from '../src/agents/performers/form.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { formEvents, formWorld } from './worlds/form.ts';

describe.each([{ confirm: false }, { confirm: true }])('the form chart, with confirm: $confirm', ({ confirm }) => {
  const { input } = formWorld({ confirm });
  const { fields } = input;
  type State = { value: unknown; status: string; context: FormContext };
  type Edge = { from: State; event: FormEvent; to: State };
  let states: State[];
  let edges: Edge[];

  beforeAll(() => {
    const map = getAdjacencyMap(formMachine, {
      input,
      events: (snapshot) => (snapshot.status === 'active' ? formEvents : []),
      serializeState: ({ value, context }) => JSON.stringify([value, context]),
    });
    states = Object.values(map).map(({ state }) => state);
    edges = adjacencyMapToArray(map).map(({ state, event, nextState }) => ({ from: state, event, to: nextState }));
    console.log(`form, confirm ${confirm}: ${states.length} states, ${edges.length} edges`);
  });

  const open = () => states.filter(({ status }) => status === 'active');
  const on = (type: FormEvent['type']) => edges.filter(({ event }) => event.type === type);

  it('is explored whole', () => {
    expect(new Set(states.map(({ value }) => JSON.stringify(value)))).toEqual(
      new Set([
        '{"filling":"collecting"}',
        '"complete"',
        '"cancelled"',
        ...(confirm ? ['{"filling":"confirming"}', '{"filling":"choosing"}'] : []),
      ]),
    );
  });

  it('is cancelled by `cancel`, wherever it waits', () => {
    expect(on('cancel')).toHaveLength(open().length);
    expect(on('cancel').every(({ to }) => to.value === 'cancelled')).toBe(true);
  });

  it('is complete only with every required field answered and every optional one answered or skipped', () => {
    const complete = states.filter(({ value }) => value === 'complete');
    expect(complete.length).toBeGreaterThan(0);
    for (const { context } of complete) {
      expect(context.answers).toMatchObject({ name: 'x', date: 'x' });
      expect(Object.hasOwn(context.answers, 'note') || context.skipped.includes('note')).toBe(true);
    }
  });

  it('is completed by the last answer or, where it must be confirmed, by nothing but `confirm`', () => {
    const completing = new Set(edges.filter(({ to }) => to.value === 'complete').map(({ event }) => event.type));
    expect(completing).toEqual(new Set(confirm ? ['confirm'] : ['answer', 'skip']));
  });

  it('forgets a field and asks for it again on `change`, wherever it waits', () => {
    const changes = on('change').filter(({ event }) => 'field' in event && event.field !== 'colour');
    expect(changes).toHaveLength(open().length * fields.length);
    for (const { event, to } of changes) {
      const { field } = event as Extract<FormEvent, { type: 'change' }>;
      expect(to.value).toEqual({ filling: 'collecting' });
      expect(to.context.asking).toBe(field);
      expect(to.context.answers).not.toHaveProperty(field);
      expect(to.context.skipped).not.toContain(field);
    }
  });

  it('asks only for a field that it does not know, and for nothing when it knows all', () => {
    for (const { value, context } of open()) {
      const known = [...Object.keys(context.answers), ...context.skipped];
      const isCollecting = JSON.stringify(value) === '{"filling":"collecting"}';
      expect(isCollecting).toBe(known.length < fields.length);
      expect(context.asking === null).toBe(!isCollecting);
      expect(known).not.toContain(context.asking);
    }
  });

  it('never skips a required field', () => {
    for (const { context } of states) expect(context.skipped.filter((field) => field !== 'note')).toEqual([]);
  });

  it('does not know fields that it was not given', () => {
    const strange = edges.filter(({ event }) => 'field' in event && event.field === 'colour');
    expect(strange.every(({ from, to }) => from === to || JSON.stringify(from) === JSON.stringify(to))).toBe(true);
  });

  it('can be completed from wherever it waits', () => {
    const key = ({ value, context }: State) => JSON.stringify([value, context]);
    const good = new Set(states.filter(({ value }) => value === 'complete').map(key));
    for (let size = -1; size !== good.size; ) {
      size = good.size;
      for (const { from, to } of edges) if (good.has(key(to))) good.add(key(from));
    }
    expect(open().filter((state) => !good.has(key(state)))).toEqual([]);
  });
});

describe('a dialogue with a form', () => {
  it('asks for what is missing, again when it does not fit, and runs with the values', () =>
    plays(booking, [
      'user:  I want to book a table',
      'agent: What name is it under?',
      'user:  Ada',
      'agent: Which day?',
      'user:  someday',
      'agent: Please name a day of the week.',
      '       Which day?',
      'user:  Friday',
      'agent: How many people?',
      'user:  forty',
      'agent: That is not a number.',
      '       How many people?',
      'user:  4',
      'agent: Anything we should know?',
      'user:  skip',
      'agent: Booked: {"name":"Ada","day":"friday","party_size":4}',
    ]));

  it('skips an optional field on an empty answer, and no other', () =>
    plays(booking, [
      'user:  book a table',
      'agent: What name is it under?',
      'user:  skip',
      'agent: This one cannot be skipped.',
      '       What name is it under?',
      'user:  ',
      'agent: This one cannot be skipped.',
      '       What name is it under?',
      'user:  Ada',
      'agent: Which day?',
      'user:  monday',
      'agent: How many people?',
      'user:  2',
      'agent: Anything we should know?',
      'user:  ',
      'agent: Booked: {"name":"Ada","day":"monday","party_size":2}',
    ]));

  it('changes a field at any time, and then goes on where it was', () =>
    plays(booking, [
      'user:  book a table',
      'agent: What name is it under?',
      'user:  Ada',
      'agent: Which day?',
      'user:  change my name',
      'agent: What name is it under?',
      'user:  Grace',
      'agent: Which day?',
      'user:  change the name to Grace Hopper',
      'agent: Which day?',
      'user:  friday',
      'agent: How many people?',
      'user:  Change day to Sunday',
      'agent: How many people?',
      'user:  change the day to whenever',
      'agent: Please name a day of the week.',
      '       Which day?',
      'user:  monday',
      'agent: How many people?',
      'user:  change party-size to 3',
      'agent: Anything we should know?',
      'user:  change of plans, we come late',
      'agent: Booked: {"name":"Grace Hopper","day":"monday","party_size":3,"note":"change of plans, we come late"}',
    ]));

  it.each(['cancel', 'Never mind!', 'nevermind', ' STOP. ', 'quit'])('ends when the user says "%s"', (word) =>
    plays(booking, ['user:  book a table', 'agent: What name is it under?', `user:  ${word}`, 'agent: Cancelled.']),
  );

  it('does not take a longer sentence, or its own first message, for a word that cancels', () =>
    plays(booking, [
      'user:  cancel',
      'agent: What name is it under?',
      'user:  Stop Making Sense Ltd',
      'agent: Which day?',
      'user:  cancel',
      'agent: Cancelled.',
    ]));

  it("cancels by the agent's own words when it has some", () =>
    plays({ ...booking, cancelWords: ['отмена'], cancelled: 'Хорошо, ничего не бронирую.' }, [
      'user:  book a table',
      'agent: What name is it under?',
      'user:  cancel',
      'agent: Which day?',
      'user:  Отмена!',
      'agent: Хорошо, ничего не бронирую.',
    ]));

  it('has the answers confirmed when the agent wants it, and lets the user say what is wrong', () =>
    plays({ ...booking, confirm: true }, [
      'user:  book a table',
      'agent: What name is it under?',
      'user:  Ada',
      'agent: Which day?',
      'user:  friday',
      'agent: How many people?',
      'user:  4',
      'agent: Anything we should know?',
      'user:  skip',
      'agent: name: Ada',
      '       day: friday',
      '       party size: 4',
      '       note: –',
      '       Is that right?',
      'user:  well',
      'agent: name: Ada',
      '       day: friday',
      '       party size: 4',
      '       note: –',
      '       Is that right?',
      'user:  no',
      'agent: What should be changed: name, day, party size, note?',
      'user:  party size',
      'agent: How many people?',
      'user:  5',
      'agent: name: Ada',
      '       day: friday',
      '       party size: 5',
      '       note: –',
      '       Is that right?',
      'user:  change note to by the window',
      'agent: name: Ada',
      '       day: friday',
      '       party size: 5',
      '       note: by the window',
      '       Is that right?',
      'user:  Yes!',
      'agent: Booked: {"name":"Ada","day":"friday","party_size":5,"note":"by the window"}',
    ]));

  it('does not ask for what the first message already says, unless it does not fit', async () => {
    const extract = (message: string) => ({
      day: /on (\w+)/.exec(message)?.[1],
      party_size: /for (\w+)/.exec(message)?.[1],
      colour: 'red',
    });
    await plays({ ...booking, extract }, [
      'user:  a table for four on friday',
      'agent: What name is it under?',
      'user:  Ada',
      'agent: How many people?',
      'user:  4',
      'agent: Anything we should know?',
      'user:  no',
      'agent: Booked: {"name":"Ada","day":"friday","party_size":4,"note":"no"}',
    ]);
  });

  it('runs at once when the first message says everything', () =>
    plays({ ...booking, extract: async () => ({ name: 'Ada', day: 'monday', party_size: 2, note: 'hi' }) }, [
      'user:  the usual',
      'agent: Booked: {"name":"Ada","day":"monday","party_size":2,"note":"hi"}',
    ]));

  it('gives `run` its own task back, and none of the form', async () => {
    const tasks: unknown[] = [];
    const agent: FormAgent = {
      ...booking,
      fields: { name: booking.fields.name! },
      run: ({ name }, { call }) => {
        tasks.push(call.task);
        if (call.task === undefined) return { type: 'input_required', prompt: `${name}, really?`, task: { asked: 1 } };
        return `${name} said ${call.input.at(-1)?.content}`;
      },
    };
    await plays(agent, [
      'user:  hello',
      'agent: What name is it under?',
      'user:  Ada',
      'agent: Ada, really?',
      'user:  cancel',
      'agent: Ada said cancel',
    ]);
    expect(tasks).toEqual([undefined, undefined, { asked: 1 }, { asked: 1 }]);
  });
});

describe('a form that was left open', () => {
  const asked = async () => {
    const first = await turn(booking, 'book a table');
    const second = await turn(booking, 'Ada', first);
    return turn(booking, 'friday', second);
  };

  it('keeps the answers that still have a field and still fit', async () => {
    const { name, day, ...rest } = booking.fields;
    const changed: FormAgent = {
      ...booking,
      fields: { day: { ...day!, schema: z.literal('sunday', 'We only open on Sundays.') }, name: name!, ...rest },
    };
    const result = await turn(changed, '4', await asked());
    expect(result).toMatchObject({ type: 'input_required', prompt: 'Which day?' });
    expect(result).toHaveProperty('task.context.answers', { name: 'Ada', party_size: '4' });
  });

  it('does not take words as the answer to a question that the user has not seen', async () => {
    const { party_size, ...rest } = booking.fields;
    const changed: FormAgent = { ...booking, fields: { ...rest } };
    const result = await turn(changed, '4', await asked());
    expect(result).toMatchObject({ type: 'input_required', prompt: 'Anything we should know?' });
    expect(result).toHaveProperty('task.context.answers', { name: 'Ada', day: 'friday' });
  });

  it.each([null, 7, 'x', {}, { value: 'nowhere' }, { machine: 'form@0', value: { filling: 'gone' }, context: {} }])(
    'begins anew from a task that it did not write: %j',
    async (task) => {
      const result = await turn(booking, 'hello', { type: 'input_required', prompt: '', task });
      expect(result).toMatchObject({ type: 'input_required', prompt: 'What name is it under?' });
    },
  );

  it('is cancelled by a word that was steered into the attempt that ran it', async () => {
    expect(await perform(booking, ['4', 'cancel'], taskOf(await asked()))).toEqual({
      type: 'answer',
      final_message: 'Cancelled.',
    });
  });

  it('asks again for an answer that fitted once and does not any more', async () => {
    let isOpen = true;
    const agent: FormAgent = {
      ...booking,
      fields: {
        day: { prompt: 'Which day?', schema: z.string().refine(() => isOpen, 'We are closed then.') },
        name: booking.fields.name!,
      },
    };
    const named = await turn(agent, 'friday', await turn(agent, 'book'));
    isOpen = false;
    expect(await turn(agent, 'Ada', named)).toMatchObject({ type: 'input_required', prompt: 'Which day?' });
  });
});

describe('whatever a user says', () => {
  it('`run` is never called with a value that does not fit', async () => {
    const said = fc.oneof(
      fc.constantFrom('Ada', 'friday', 'someday', '4', '0', '-1', '', 'skip', 'yes', 'no', 'name', 'party size'),
      fc.constantFrom(
        'change name',
        'change day to monday',
        'change day to x',
        'change party size to 0',
        'change note',
      ),
      fc.string({ unit: 'binary', maxLength: 12 }),
    );
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(said, { maxLength: 14 }), fc.boolean(), async (lines, confirm) => {
        const shape = z.object(outputs);
        const agent: FormAgent = {
          ...booking,
          confirm,
          run: (values) => {
            runs += 1;
            expect(shape.safeParse(values)).toMatchObject({ success: true });
            return 'done';
          },
        };
        let last = await turn(agent, 'book a table');
        for (const line of lines) {
          if (last.type !== 'input_required') break;
          last = await turn(agent, line, last);
        }
      }),
      { numRuns: 1000 },
    );
    expect(runs).toBeGreaterThan(0);
  });
});

const booking: FormAgent = {
  kind: 'form',
  id: 'booking',
  fields: {
    name: { prompt: 'What name is it under?', schema: z.string().min(1) },
    day: {
      prompt: 'Which day?',
      schema: z
        .string()
        .toLowerCase()
        .pipe(z.enum(['monday', 'friday', 'sunday'], 'Please name a day of the week.')),
    },
    party_size: {
      prompt: 'How many people?',
      schema: z.coerce.number().int().positive(),
      invalid: 'That is not a number.',
    },
    note: { prompt: 'Anything we should know?', schema: z.string().max(200), optional: true },
  },
  run: (values) => `Booked: ${JSON.stringify(values)}`,
};

/** What the values of `booking` are once its schemas have read the answers. */
const outputs = {
  name: z.string().min(1),
  day: z.enum(['monday', 'friday', 'sunday']),
  party_size: z.int().positive(),
  note: z.string().max(200).optional(),
};

/** Plays the user's lines of a transcript to an agent; what comes of it must be the same transcript. */
async function plays(agent: FormAgent, transcript: string[]): Promise<void> {
  const played: string[] = [];
  let last: AgentResult | undefined;
  for (const line of transcript.filter((line) => line.startsWith('user:  '))) {
    last = await turn(agent, line.slice(7), last);
    const said = last.type === 'input_required' ? last.prompt : last.type === 'answer' ? last.final_message : last.type;
    played.push(line, `agent: ${said.replaceAll('\n', '\n       ')}`);
  }
  expect(played.join('\n')).toBe(transcript.join('\n'));
}

/** One turn, twice: the same call must give the same result. The task travels as JSON, as a journal carries it. */
async function turn(agent: FormAgent, text: string, last?: AgentResult): Promise<AgentResult> {
  const task = JSON.stringify(taskOf(last));
  const [once, again] = [1, 2].map(() => perform(agent, [text], task && JSON.parse(task)));
  const result = await once!;
  expect(await again).toEqual(result);
  return result;
}

const taskOf = (last: AgentResult | undefined): unknown => (last && 'task' in last ? last.task : undefined);

const perform = (agent: FormAgent, said: string[], task: unknown): Promise<AgentResult> =>
  formPerformer(agent, new SteppedClock())(
    {
      tenant: 'default',
      session_id: 's1',
      run_id: 's1-r1',
      agent_id: 'booking',
      attempt: 1,
      idempotency_key: 's1#1.0',
      input: said.map((content) => ({ role: 'user' as const, content })),
      guidance: [],
      context: {},
      task,
      tried: [],
    },
    {
      signal: new AbortController().signal,
      part: () => {},
      history: async () => [],
      remember: async () => {},
      steps: [],
      told: [],
      events: [],
    },
  );
