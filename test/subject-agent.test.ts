// Agents on their subject that die in the middle of an answer: found out by their silence, or by their heartbeats, and replaced.
import { afterEach, expect, test } from 'vitest';
import { AgentPool } from '../src/agents/pool.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { Heartbeats } from '../src/routing/heartbeats.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import type { Message } from '../src/transport/transport.ts';
import { createTroupe } from '../src/troupe.ts';
import { callOf, failureOf, lend } from './agent-server.ts';

let pool: AgentPool | undefined;
afterEach(() => pool?.stop());

/** A call to the agent `far`, whose one instance says what the test tells it to say. */
async function called(definition: { idle_ms?: number } = {}) {
  const clock = new SteppedClock();
  const transport = memoryTransport({ clock });
  pool = new AgentPool({ clock, transport });
  pool.register('*', { id: 'far', kind: 'nats', ...definition });
  const request = Promise.withResolvers<Message>();
  transport.subscribe('troupe.acme.agent.far.invoke', request.resolve, { queue: 'agents' });
  const cancelled: unknown[] = [];
  transport.subscribe('troupe.acme.agent.far.cancel.>', ({ data }) =>
    cancelled.push(JSON.parse(new TextDecoder().decode(data))),
  );
  const heartbeats = new Heartbeats(pool);
  const io = lend();
  const done = pool.call(callOf('far'), io);
  done.catch(() => {});
  let over = false;
  const settle = () => {
    over = true;
  };
  done.then(settle, settle);
  const { reply } = await request.promise;
  return {
    clock,
    io,
    done,
    cancelled,
    say: async (message: object) => {
      transport.publish(reply!, JSON.stringify(message));
      await transport.flush();
    },
    beat: (instance_id: string, interval_s: number) =>
      heartbeats.hear('acme', 'far', { instance_id, interval_s, capacity: 2 }),
    isOver: async () => {
      await transport.flush();
      return over;
    },
    flush: () => transport.flush(),
  };
}

const delta = (text: string, more = {}) => ({ type: 'delta', text, ...more });

test('an answer that has begun and falls silent for 30 s is given up, and whoever gave it is told to stop', async () => {
  const { clock, say, done, cancelled, flush } = await called();
  await say(delta('I was about to '));
  clock.advance(29_999);
  await say(delta('say '));
  clock.advance(30_000);
  expect(await failureOf(done)).toMatchObject({ code: 'fell_silent', retryable: true });
  await flush();
  expect(cancelled).toEqual([{ attempt: 1 }]);
});

test('how long that may be is a setting of the agent', async () => {
  const { clock, say, done, isOver } = await called({ idle_ms: 200 });
  await say(delta('one '));
  clock.advance(199);
  expect(await isOver()).toBe(false);
  clock.advance(1);
  expect(await failureOf(done)).toMatchObject({ code: 'fell_silent', message: expect.stringContaining('200 ms') });
});

test('an agent that has not begun may think as long as its attempt may take', async () => {
  const { clock, say, done, isOver } = await called({ idle_ms: 200 });
  clock.advance(200_000);
  expect(await isOver()).toBe(false);
  await say({ type: 'done', final_message: 'well thought out' });
  expect((await done).result).toEqual({ type: 'answer', final_message: 'well thought out' });
});

test('one that thinks in the middle of an answer says that it is working, and nobody hears that', async () => {
  const { clock, io, say, done } = await called({ idle_ms: 200 });
  await say(delta('let me see '));
  for (let n = 0; n < 5; n += 1) {
    clock.advance(150);
    await say({ type: 'working' });
  }
  await say(delta('42'));
  await say({ type: 'done' });
  expect((await done).result).toEqual({ type: 'answer', final_message: 'let me see 42' });
  expect(io.parts).toEqual(['let me see ', '42']);
});

test('one that said that it is working must go on saying so, words or not', async () => {
  const { clock, say, done } = await called({ idle_ms: 200 });
  await say({ type: 'working' });
  clock.advance(200);
  expect(await failureOf(done)).toMatchObject({ code: 'fell_silent' });
});

test('an instance that misses its heartbeats in the middle of an answer is gone, long before the silence is too long', async () => {
  const { clock, say, beat, done, isOver } = await called();
  beat('one', 1);
  beat('two', 1);
  await say(delta('I was about to ', { instance_id: 'one' }));
  clock.advance(2_000);
  beat('one', 1);
  beat('two', 1);
  clock.advance(2_000);
  beat('two', 1);
  expect(await isOver()).toBe(false);
  clock.advance(500);
  expect(await failureOf(done)).toMatchObject({
    code: 'instance_gone',
    retryable: true,
    message: expect.stringContaining('"one"'),
  });
});

test('an instance whose first heartbeat comes after its first word is watched as well', async () => {
  const { clock, say, beat, done } = await called();
  await say({ type: 'working', instance_id: 'one' });
  beat('one', 2);
  clock.advance(5_000);
  expect(await failureOf(done)).toMatchObject({ code: 'instance_gone' });
});

test('an instance that never sent a heartbeat is judged by its words alone', async () => {
  const { clock, say, beat, done } = await called();
  beat('two', 1);
  await say(delta('slowly ', { instance_id: 'one' }));
  clock.advance(29_000);
  await say({ type: 'done' });
  expect((await done).result).toMatchObject({ final_message: 'slowly ' });
});

test('a run whose instance died in the middle of an answer is answered by another one', async () => {
  const transport = memoryTransport();
  const troupe = await createTroupe({
    transport,
    settings: { backoff_ms: 1 },
    agents: [{ id: 'far', kind: 'nats', triggers: ['hello'], idle_ms: 30 }],
  });
  const words = [[delta('I was ')], [delta('good '), delta('day'), { type: 'done' }]];
  transport.subscribe('troupe.default.agent.far.invoke', ({ reply }) => {
    for (const message of words.shift()!) transport.publish(reply!, JSON.stringify(message));
  });
  const outcome = await troupe.session('s1').send('hello');
  expect(outcome).toMatchObject({ status: 'done', answer: 'good day' });
  expect(outcome.trace).toContainEqual(expect.objectContaining({ type: 'agent_invoke_failed', code: 'fell_silent' }));
  await troupe.close();
});
