// A process may die between any two steps of its loop: what a user, a caller and a listener see is the same.
import { describe, expect, it } from 'vitest';
import { Model, type Operation, type Played, type Point } from './crash.ts';
import { type Random, random } from './random.ts';

const SEED = Number(process.env.SEED ?? 20_261_121);
const SCENARIOS = Number(process.env.SCENARIOS ?? 300);

/** The names that questions of the first runs have. */
const QUESTIONS = ['s1-r1.1', 's1-r1.1', 's1-r1.2', 's1-r2.1'];

const message = (content: string): Operation => ({ do: 'send', event: { type: 'message', id: '', content } });
const send = (type: string, body: object = {}): Operation => ({ do: 'send', event: { type, ...body } });

/** Operations that mean something in most states, so that a random list of them goes deep. */
const operations: readonly ((index: number, chance: Random) => Operation)[] = [
  (index) => message(`message ${index}`),
  (index) => message(`message ${index}`),
  (index) => message(`forbidden ${index}`),
  (index) => ({ do: 'answer', result: `answer ${index}` }),
  (index) => ({ do: 'answer', result: `answer ${index}` }),
  (index) => ({ do: 'answer', result: { type: 'input_required', prompt: `what about ${index}?`, task: { index } } }),
  (index) => ({ do: 'answer', result: { type: 'approval_required', action: 'pay', summary: `pay ${index}` } }),
  (index) => ({ do: 'answer', result: { type: 'handoff', final_message: `a person, ${index}`, reason: 'asked' } }),
  (_, chance) => ({ do: 'fail', retryable: chance.next() < 0.7 }),
  (_, chance) => send('pause', { mode: chance.pick(['drain', 'interrupt']) }),
  () => send('resume'),
  (_, chance) =>
    send('takeover', { by: chance.pick(['ann', 'bob']), ...(chance.next() < 0.4 && { deadline_ms: 3_000 }) }),
  (index, chance) =>
    send('inject', { mode: chance.pick(['speak', 'whisper', 'note']), content: `said ${index}`, by: 'ann' }),
  () => send('release'),
  () => send('cancel'),
  (_, chance) =>
    send('approve', { approval: chance.pick(QUESTIONS), decision: chance.pick(['approve', 'reject']), by: 'ann' }),
  (_, chance) => ({ do: 'advance', ms: chance.pick([400, 1_000, 6_000, 21_000]) }),
];

function script(chance: Random): Operation[] {
  return Array.from({ length: 8 + chance.below(16) }, (_, index) => {
    const operation = chance.pick(operations)(index, chance);
    // Messages need an id of their own and an agent; the caller's cause makes a repeated one harmless.
    if (operation.do !== 'send' || operation.event.type !== 'message') return operation;
    const route = {
      agent: chance.pick(['worker', 'thinker', 'relay', 'chorus']),
      confidence: 1,
      reason: 'named',
      secondary: ['stand-in'],
    };
    return { do: 'send', event: { ...operation.event, id: `m${index}`, route } };
  });
}

/** What must not depend on how often the process died. */
const seen = ({ transcript, told, replies, state, owed, working }: Played) => ({
  transcript,
  told,
  replies,
  state,
  owed,
  working,
});

describe('a process that dies between any two steps', () => {
  it(`leaves the same transcript, events, replies and debts as one that lives (seed ${SEED})`, {
    timeout: 600_000,
  }, async () => {
    const chance = random(SEED);
    const died = new Map<Point, number>();
    const happened = new Map<string, number>();
    let lives = 0;
    for (let scenario = 0; scenario < SCENARIOS; scenario += 1) {
      const operations = script(chance);
      const calm = await new Model().play(operations);
      for (const { event, emitted } of calm.entries)
        for (const { type } of [event, ...emitted]) happened.set(type, (happened.get(type) ?? 0) + 1);
      for (let step = 0; step < calm.steps.length; step += 1) {
        // Every single step once; every fourth time it dies again soon after, while it recovers.
        const crashAt = step % 4 === 3 ? [step, step + 1 + chance.below(6)] : [step];
        const crashed = await new Model(crashAt).play(operations);
        lives += 1;
        died.set(calm.steps[step]!, (died.get(calm.steps[step]!) ?? 0) + 1);
        const where = `seed ${SEED}, scenario ${scenario}, dies at ${crashAt.map((at) => `${at} (${crashed.steps[at]})`)}`;
        expect(crashed.crashes, where).toBeGreaterThan(0);
        expect(seen(crashed), `${where}\n${operations.map((one) => JSON.stringify(one)).join('\n')}`).toEqual(
          seen(calm),
        );
        expect(crashed.repeated, where).toEqual([]);
        expect(
          crashed.entries.map(({ n }) => n),
          where,
        ).toEqual(crashed.entries.map((_, index) => index + 1));
      }
    }
    console.log(
      `${SCENARIOS} scripts, ${lives} deaths (seed ${SEED}):`,
      Object.fromEntries(died),
      Object.fromEntries(happened),
    );
    expect(lives).toBeGreaterThan(1_000);
    // What the scripts are there for did happen, and more than once.
    for (const type of ['tool_finished', 'approval_requested', 'agent_transferred', 'run_suspended', 'input_requested'])
      expect(happened.get(type) ?? 0, `${type} in the scripts`).toBeGreaterThan(5);
  });
});
