// What troupe/testing promises to those who test with it: walks, explored graphs, scripted agents, played transcripts.
import { describe, expect, test } from 'vitest';
import { assign, setup } from 'xstate';
import { performed } from '../machines/performed.ts';
import { settings } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import {
  AnotherStory,
  CounterExample,
  deadlocks,
  everyEdge,
  everyState,
  explore,
  failing,
  held,
  pathTo,
  play,
  reaches,
  scripted,
  start,
  streamed,
} from '../src/testing.ts';

/** A parcel: packed by work, sent, lost for good or delivered in time. */
const parcel = setup({
  types: {} as { context: { returns: number }; events: { type: 'send' | 'lose' | 'return' } },
  actors: { pack: performed<void, void>() },
  actions: { count: assign({ returns: ({ context }) => context.returns + 1 }) },
}).createMachine({
  id: 'parcel',
  version: '1',
  context: { returns: 0 },
  initial: 'packing',
  states: {
    packing: { invoke: { id: 'pack', src: 'pack', onDone: 'packed', onError: 'lost' } },
    packed: { on: { send: 'sent' } },
    sent: { on: { lose: 'lost', return: { target: 'packed', actions: 'count' } }, after: { 1000: 'delivered' } },
    delivered: { type: 'final' },
    lost: {},
  },
});

const explored = () =>
  explore(parcel, {
    events: [{ type: 'send' }, { type: 'lose' }, { type: 'return' }],
    results: { pack: [{ output: undefined }, { error: new Error('torn') }] },
    serialize: ({ value }) => value,
  });

describe('a walk', () => {
  test('shows where the chart is, what it would accept, and what it asks the world to do', () => {
    const s = start(sessionMachine, { id: 's1', settings: settings.parse({}) });
    expect(s.state).toBe('automated/idle');
    expect(s.can({ type: 'release' })).toBe(false);
    s.send({ type: 'message', id: 'm1', content: 'hello', route: { agent: 'a', confidence: 1, reason: 'test' } });
    expect(s.value).toEqual({ open: { control: 'automated', turn: { running: 'attempting' } } });
    expect(s.effects.map(({ type, id }) => `${type} ${id}`)).toEqual([
      'timer xstate.after.attemptTimeout.attempting',
      'invoke agent',
    ]);
    expect(s.emitted.at(-1)).toMatchObject({ type: 'agent_invoke_started', agent_id: 'a' });
    s.done('agent', { result: { type: 'answer', final_message: 'hi' }, endpoint: 'a/1', ms: 1 });
    expect([s.state, s.owed, s.context.run]).toEqual(['automated/idle', [], null]);
    expect(s.send({ type: 'resume' }).changed).toBe(false);
  });

  test('has results and timers only of what is owed, and says what that is', () => {
    const s = start(parcel);
    expect(s.owed).toEqual(['pack']);
    expect(() => s.done('weigh')).toThrow('parcel does not wait for "weigh" in packing; it waits for pack');
    expect(s.done('pack').send({ type: 'send' }).state).toBe('sent');
    expect(() => s.after('2000')).toThrow('it waits for xstate.after.1000.parcel.sent');
    expect(s.after('1000').state).toBe('delivered');
  });
});

describe('an explored graph', () => {
  test('has every state with a shortest way to it, by events, results and timers alike', () => {
    const { states, edges } = explored();
    const ways = states.map((state) => [state.name, ...pathTo(state).map(({ event }) => event.type)]);
    expect(ways).toEqual([
      ['packing'],
      ['packed', 'xstate.done.actor.pack'],
      ['lost', 'xstate.error.actor.pack'],
      ['sent', 'xstate.done.actor.pack', 'send'],
      ['delivered', 'xstate.done.actor.pack', 'send', 'xstate.after.1000.parcel.sent'],
    ]);
    expect(edges.length).toBe(6);
  });

  test('shows deadlocks, and a fact that fails prints the way to where it does', () => {
    const graph = explored();
    expect(deadlocks(graph).map(({ name }) => name)).toEqual(['lost']);
    const isLost = ({ name }: { name: string }) => name === 'lost';
    expect(() => everyState(graph, 'nothing is lost', (state) => !isLost(state))).toThrow(
      'does not hold: nothing is lost\n  packing\n  xstate.error.actor.pack {"error":{}} → lost',
    );
    expect(() => everyEdge(graph, 'it goes on', ({ event }) => event.type !== 'return' || 'it comes back')).toThrow(
      /^does not hold: it goes on: it comes back\n {2}packing\n.* → packed\n {2}send → sent\n {2}return → packed$/,
    );
    const arrives = { to: ({ name }: { name: string }) => name === 'delivered' };
    expect(() => reaches(graph, 'it arrives', arrives)).toThrow(CounterExample);
    reaches(graph, 'it arrives if it is not lost', { ...arrives, from: (state) => !isLost(state) });
  });

  test('without an end is cut off with advice', () => {
    const endless = () =>
      explore(parcel, {
        events: [{ type: 'send' }, { type: 'return' }],
        limit: 50,
        results: { pack: [{ output: 1 }] },
      });
    expect(endless).toThrow(/parcel@1 has more than 50 states, such as .*"returns":.*let serialize keep less of it/);
  });
});

describe('a scripted agent', () => {
  test('says its answers in order, and then that it has no more', async () => {
    const helper = scripted('helper', ['One.', failing('broken', { retryable: false })]);
    await play(
      { agents: [helper] },
      `
      user(agent=helper): a
      assistant: One.
      user(agent=helper): b
      attempt failed: broken: as the script says
      failed: broken: as the script says
      user(agent=helper): c
      attempt failed: script_over: "helper" has no more to say
      failed: script_over: "helper" has no more to say
    `,
    );
    expect(helper.calls.map(({ input }) => input[0]!.content)).toEqual(['a', 'b', 'c']);
  });

  test('says the same again to a call that is delivered again', async () => {
    const helper = scripted('helper', [streamed('One ', 'two.'), 'Three.']);
    await play(
      { agents: [helper] },
      `
      user(agent=helper): a
      agent(helper) goes on
      assistant streams: "One "
      restart
      recovered
      assistant streams: "One "
      agent(helper) goes on
      assistant streams: "two."
      assistant: One two.
      user(agent=helper): b
      assistant: Three.
    `,
    );
    expect(new Set(helper.calls.map((call) => call.idempotency_key)).size).toBe(2);
    expect(helper.step).toThrow('agent "helper" is not in the middle of an answer');
  });
});

describe('a played transcript', () => {
  const cast = () => ({ agents: [scripted('helper', ['One.', 'Two\nlines.', held('Three.')], { triggers: ['hi'] })] });

  test('that goes another way is told line by line', async () => {
    const error = await play(
      cast(),
      `
      user: hi
      assistant: Zwei.
      state: automated/idle
    `,
    ).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(AnotherStory);
    expect((error as AnotherStory).message.split('\n').slice(1)).toEqual([
      '  user: hi',
      '- assistant: Zwei.',
      '+ assistant: One.',
      '  state: automated/idle',
    ]);
  });

  test('keeps remarks and empty lines, indents what goes on, and tells who was left waiting', async () => {
    const story = `# Two sessions.
user: hi
assistant: One.

acme/s2> user: hi
  there
acme/s2> assistant: Two
  lines.
acme/s2> history(llm):
  user: hi
    there
  assistant: Two
    lines.
user: hi
unanswered`;
    expect(await play(cast(), story)).toBe(story);
  });

  test('with a line that is neither a direction nor anything told is refused', async () => {
    await expect(play(cast(), 'user: hi\nasistant: One.')).rejects.toThrow(
      'line 2 is nothing that can be played: asistant',
    );
    await expect(play(cast(), 'user(agnt=helper): hi')).rejects.toThrow('"agnt" is none of agent, flow, key');
    await expect(play(cast(), 'advance soon')).rejects.toThrow('"soon" is no time such as 5s');
    await expect(play(cast(), 'agent(ghost) goes on')).rejects.toThrow('there is no scripted agent "ghost"');
  });
});
