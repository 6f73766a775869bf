// What a turn costs: how many appends and calls of an agent, counted where they arrive.
import { expect, test } from 'vitest';
import { createTroupe, type Journal, memoryJournal, type TroupeOptions } from '../src/index.ts';
import { failing, play, SteppedClock, scripted, streamed } from '../src/testing.ts';

/** Plays one conversation and says what each part of it cost. */
async function costs(
  options: TroupeOptions = {},
  answers: Parameters<typeof scripted>[1] = ['One.', 'Two.', 'Three.'],
) {
  let appends = 0;
  const memory = memoryJournal();
  const journal: Journal = {
    ...memory,
    append: (...args) => {
      appends += 1;
      return memory.append(...args);
    },
  };
  const agent = scripted('helper', answers, { triggers: ['please'] });
  const clock = new SteppedClock();
  const troupe = await createTroupe({ ...options, agents: [agent], journal, clock });
  const session = troupe.session('s1');
  const cost = async (act: () => Promise<unknown>) => {
    const before = { appends, calls: agent.calls.length };
    await act();
    return { appends: appends - before.appends, calls: agent.calls.length - before.calls };
  };
  return { session, troupe, agent, clock, cost, say: () => cost(() => session.send('please')) };
}

test('a plain turn costs two appends and one call, the first as the hundredth', async () => {
  const { say } = await costs({}, Array(100).fill('Well.'));
  for (let turn = 1; turn <= 100; turn += 1) expect(await say()).toEqual({ appends: 2, calls: 1 });
});

test('hooks before the run cost one append more, a hook after it none', async () => {
  const { say } = await costs({ shouldProcess: () => true, prepareContext: () => ({}) });
  expect(await say()).toEqual({ appends: 3, calls: 1 });
  const { say: after } = await costs({ postProcess: (answer) => answer.toUpperCase() });
  expect(await after()).toEqual({ appends: 2, calls: 1 });
});

test('a router of one’s own costs one append more', async () => {
  const { say } = await costs({ routing: () => ({ agent: 'helper', confidence: 1, reason: 'test' }) });
  expect(await say()).toEqual({ appends: 3, calls: 1 });
});

test('pieces of an answer cost nothing', async () => {
  const { troupe, cost } = await costs({}, [streamed('One ', 'two.')]);
  const story = `
    user: please
    agent(helper) goes on
    assistant streams: "One "
    agent(helper) goes on
    assistant streams: "two."
    assistant: One two.
  `;
  expect(await cost(() => play(troupe, story))).toEqual({ appends: 2, calls: 1 });
});

test('waking a session costs no append and no call', async () => {
  const { say, troupe, clock } = await costs();
  await say();
  clock.advance(120_000);
  expect(troupe.orchestrator.sessions()).toEqual([]);
  expect(await say()).toEqual({ appends: 2, calls: 1 });
});

test('another try costs two appends more: the failure, and the end of the wait', async () => {
  const { troupe, cost } = await costs({}, [failing('busy'), 'Here.']);
  const story = `
    user: please
    attempt failed: busy: as the script says
    advance 500ms
    assistant: Here.
  `;
  expect(await cost(() => play(troupe, story))).toEqual({ appends: 4, calls: 2 });
});

test('taking over, speaking and releasing cost one append each, and refused requests none', async () => {
  const { session, say, cost } = await costs();
  await say();
  expect(await cost(() => session.takeOver({ by: 'ann' }))).toEqual({ appends: 1, calls: 0 });
  expect(await cost(() => session.takeOver({ by: 'ann' }).catch(() => {}))).toEqual({ appends: 0, calls: 0 });
  expect(await cost(() => session.inject({ by: 'ann', content: 'hi' }))).toEqual({ appends: 1, calls: 0 });
  expect(await cost(() => session.release({ by: 'ann' }))).toEqual({ appends: 1, calls: 0 });
});
