// Random scripts for the model of a process that can die, and what must be the same however often it does.
import assert from 'node:assert/strict';
import { Model, type Operation, type Played, type Point } from './crash.ts';
import type { Random } from './random.ts';

/** What a script came to: how often which event happened, and at which steps the process died. */
export interface Scenario {
  readonly happened: string[];
  readonly deaths: Point[];
}

/** Plays one script in a process that lives, and once for every step in one that dies there. Throws when the two differ. */
export async function scenario(chance: Random, name: string): Promise<Scenario> {
  const operations = script(chance);
  const calm = await new Model().play(operations);
  for (let step = 0; step < calm.steps.length; step += 1) {
    // Every single step once; every fourth time it dies again soon after, while it recovers.
    const crashAt = step % 4 === 3 ? [step, step + 1 + chance.below(6)] : [step];
    const crashed = await new Model(crashAt).play(operations);
    const where = `${name}, dies at ${crashAt.map((at) => `${at} (${crashed.steps[at]})`)}`;
    assert(crashed.crashes > 0, where);
    const told = () => `${where}\n${operations.map((one) => JSON.stringify(one)).join('\n')}`;
    same(seen(crashed), seen(calm), told);
    same(crashed.repeated, [], () => where);
    const numbers = crashed.entries.map(({ n }) => n);
    same(
      numbers,
      Array.from(numbers, (_, index) => index + 1),
      () => where,
    );
  }
  const happened = calm.entries.flatMap(({ event, emitted }) => [event, ...emitted].map(({ type }) => type));
  return { happened, deaths: calm.steps };
}

/** A difference is told with its place in front. */
function same(actual: unknown, expected: unknown, where: () => string): void {
  try {
    assert.deepEqual(actual, expected);
  } catch (error) {
    throw new Error(`${where()}\n${(error as Error).message}`);
  }
}

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
