// The breakers of models' endpoints: what counts against one, and who is let through when.
import { expect, test } from 'vitest';
import { Breakers } from '../src/llm/breakers.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { Failed } from '../src/platform/errors.ts';
import { failureOf } from './agent-server.ts';
import { calling } from './llm.ts';

const limits = { failure_threshold: 2, recovery_ms: 60_000 };

function refused(breakers: Breakers, endpoint = 'a'): Failed | undefined {
  try {
    breakers.admit(endpoint)(new Failed('aborted', 'only looking', false));
    return undefined;
  } catch (error) {
    if (error instanceof Failed) return error;
    throw error;
  }
}

test.each([
  ['model_failed', true],
  ['model_unreachable', true],
  ['model_cut_off', true],
  ['timed_out', true],
  ['rate_limited', false],
  ['model_refused_key', false],
  ['bad_model_request', false],
  ['bad_model_answer', false],
  ['budget_exceeded', false],
])('%s speaks against an endpoint: %s', (code, counts) => {
  const breakers = new Breakers({ clock: new SteppedClock(), limits });
  for (let times = 0; times < 2; times += 1) breakers.admit('a')(new Failed(code, code));
  expect(refused(breakers)?.code).toBe(counts ? 'model_unavailable' : undefined);
  breakers.stop();
});

test('an endpoint that is left alone says for how long; the others are asked', () => {
  const clock = new SteppedClock();
  const breakers = new Breakers({ clock, limits });
  for (let times = 0; times < 2; times += 1) breakers.admit('a')(new Failed('model_failed', 'x'));
  clock.advance(20_000);
  expect(refused(breakers)).toMatchObject({ retryable: true, details: { retry_after_s: 40 } });
  expect(refused(breakers, 'b')).toBeUndefined();
  expect(breakers.view()).toEqual([
    { endpoint: 'a', breaker: 'open' },
    { endpoint: 'b', breaker: 'closed' },
  ]);
});

test('after a while one call may try: it alone, and its success lets all others through again', () => {
  const clock = new SteppedClock();
  const breakers = new Breakers({ clock, limits });
  for (let times = 0; times < 2; times += 1) breakers.admit('a')(new Failed('model_failed', 'x'));
  clock.advance(60_000);
  const trial = breakers.admit('a');
  expect(refused(breakers)?.code).toBe('model_unavailable');
  trial();
  expect(refused(breakers)).toBeUndefined();
  expect(breakers.view()).toEqual([{ endpoint: 'a', breaker: 'closed' }]);
});

test('a trial that was left makes room for another one', () => {
  const clock = new SteppedClock();
  const breakers = new Breakers({ clock, limits });
  for (let times = 0; times < 2; times += 1) breakers.admit('a')(new Failed('model_failed', 'x'));
  clock.advance(60_000);
  breakers.admit('a')(new Error('the caller left'));
  expect(refused(breakers)).toBeUndefined();
});

test('it keeps no more endpoints in mind than it may', () => {
  const breakers = new Breakers({ most: 10 });
  for (let n = 0; n < 100; n += 1) breakers.admit(`http://host-${n}`)();
  expect(breakers.view()).toHaveLength(10);
  breakers.stop();
});

test('calls of a model are not made while it is open', async () => {
  const { call, server } = await calling(() => ({ status: 500 }), {}, { breakers: new Breakers({ limits }) });
  for (let times = 0; times < 2; times += 1) expect((await failureOf(call())).code).toBe('model_failed');
  expect(await failureOf(call())).toMatchObject({ code: 'model_unavailable', retryable: true });
  expect(server.requests).toHaveLength(2);
});
