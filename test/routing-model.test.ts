// Routing by a model: what it is asked, what of its answer is believed, and who decides when it cannot.
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Failed } from '../src/platform/errors.ts';
import { routeOf } from '../src/routing/by-model.ts';
import { judge } from '../src/sessions/replay.ts';
import type { ModelAnswer, ModelServer } from '../src/testing/model-server.ts';
import { createTroupe, type Troupe, type TroupeOptions } from '../src/troupe.ts';
import { KEY, scriptedModel } from './llm.ts';

const agents = ['booking', 'order', 'refunds'].map((id) => ({
  id,
  description: `does ${id}`,
  triggers: id === 'order' ? ['where is my order', 'track a parcel'] : [`${id} please`],
  run: () => `${id} here`,
}));

const says = (primary: string, more: object = {}): ModelAnswer => ({
  calls: [
    { name: 'route', arguments: { primary, secondary: [], confidence: 0.8, reasoning: 'it is about it', ...more } },
  ],
});

async function asking(
  answers: readonly ModelAnswer[],
  options: TroupeOptions = {},
): Promise<{ troupe: Troupe; server: ModelServer }> {
  const server = await scriptedModel(answers);
  const llm = { founder: { base_url: server.url, api_key: KEY, model: 'router-1' } };
  const troupe = await createTroupe({ agents, routing: 'llm', llm, ...options });
  onTestFinished(() => troupe.close());
  return { troupe, server };
}

const routed = async (troupe: Troupe, message: string, session = 's1') => {
  const { trace, ...outcome } = await troupe.session(session).send(message);
  const {
    id: _,
    at: __,
    type: ___,
    run_id: ____,
    ...route
  } = trace.find(({ type }) => type === 'run_routed') ?? ({} as any);
  return { ...outcome, route };
};

describe('a message that a model routes', () => {
  test('goes to the agent that it names, with its confidence, its reason and who else could answer', async () => {
    const { troupe } = await asking([says('refunds', { secondary: ['order'], reasoning: 'wants money back' })]);
    expect(await routed(troupe, 'this was not worth it')).toMatchObject({
      status: 'done',
      answer: 'refunds here',
      route: { agent: 'refunds', confidence: 0.8, reason: 'wants money back', secondary: ['order'] },
    });
  });

  test('is shown to it with the agents and what was said before, and must be answered by a call', async () => {
    const { troupe, server } = await asking([says('order'), says('order')], { routing_model: 'small' });
    await routed(troupe, 'first');
    await routed(troupe, 'second');
    const { model, messages, tools, tool_choice } = server.requests[1]!.body;
    expect(model).toBe('small');
    expect(messages.slice(1)).toEqual([
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'order here' },
      { role: 'user', content: 'second' },
    ]);
    expect(messages[0]!.content).toContain(
      '- order: does order. Asked for with: "where is my order", "track a parcel".',
    );
    const agents = { enum: ['booking', 'order', 'refunds', 'none'] };
    expect(tools).toMatchObject([{ function: { parameters: { properties: { primary: agents } } } }]);
    expect(tool_choice).toEqual({ type: 'function', function: { name: 'route' } });
    expect(server.requests[1]!.headers['idempotency-key']).toMatch(/^default\/s1#/);
  });

  test('is not asked about when it names its agent itself', async () => {
    const { troupe, server } = await asking([]);
    expect((await troupe.session('s1').send('hello', { agent_id: 'order' })).answer).toBe('order here');
    expect(server.requests).toEqual([]);
  });

  test('that is for nobody goes to handleNoMatch, the default agent, or fails with no_match', async () => {
    const handled = await asking([says('none')], { handleNoMatch: () => 'sorry' });
    expect(await routed(handled.troupe, 'hm')).toMatchObject({
      answer: 'sorry',
      route: { agent: 'no-match', confidence: 0, reason: 'the model says that no agent is for it' },
    });
    // Who stands in is nobody to choose.
    expect(handled.server.requests[0]!.body.messages[0]!.content).not.toContain('no-match');
    const defaulted = await asking([says('none')], { default_agent: 'booking' });
    expect(await routed(defaulted.troupe, 'hm')).toMatchObject({ answer: 'booking here', agent_id: 'booking' });
    const nobody = await asking([says('none')]);
    expect(await routed(nobody.troupe, 'hm')).toMatchObject({ status: 'failed', error: { code: 'no_match' } });
  });

  test('goes on to a secondary agent when the first one fails, after those the first one names itself', async () => {
    const failing = {
      id: 'broken',
      fallbacks: ['refunds'],
      run: () => Promise.reject(new Failed('down', 'down', false)),
    };
    const { troupe } = await asking([says('broken', { secondary: ['order', 'refunds'] })], {
      agents: [...agents, failing],
    });
    expect(await routed(troupe, 'hm')).toMatchObject({
      answer: 'refunds here',
      route: { secondary: ['refunds', 'order'] },
    });
  });

  test('when the model fails: its run fails with what went wrong, or the default agent has it', async () => {
    const { troupe } = await asking([{ status: 429, retry_after: 4 }]);
    expect(await routed(troupe, 'hm')).toMatchObject({ status: 'failed', error: { code: 'rate_limited' } });
    const defaulted = await asking([{ status: 500, message: 'no luck' }], { default_agent: 'order' });
    expect(await routed(defaulted.troupe, 'hm')).toMatchObject({
      answer: 'order here',
      route: { reason: expect.stringMatching(/^nothing matched; the model could not decide: .*no luck/) },
    });
  });

  test('is counted on the budget of the router', async () => {
    const server = await scriptedModel(() => says('order'));
    const founder = { base_url: server.url, api_key: KEY, model: 'm', budgets: { agent: { calls: 1 } } };
    const troupe = await createTroupe({ agents, routing: 'llm', llm: { founder } });
    onTestFinished(() => troupe.close());
    expect((await routed(troupe, 'one')).status).toBe('done');
    expect((await routed(troupe, 'two')).error?.code).toBe('budget_exceeded');
    expect(troupe.models.budgets.view('default')).toMatchObject([{ scope: 'agent', id: 'router', state: 'spent' }]);
  });
});

describe('hybrid routing', () => {
  const hybrid = (answers: readonly ModelAnswer[], options: TroupeOptions = {}) =>
    asking(answers, { routing: 'hybrid', ...options });

  test('asks nobody when a whole phrase was said', async () => {
    const { troupe, server } = await hybrid([]);
    expect(await routed(troupe, 'where is my order?')).toMatchObject({ agent_id: 'order', route: { confidence: 1 } });
    expect(server.requests).toEqual([]);
  });

  test('asks the model when nothing matches, or too little', async () => {
    const { troupe, server } = await hybrid([says('booking'), says('refunds')]);
    expect((await routed(troupe, 'something else')).agent_id).toBe('booking');
    // "parcel" and "track", scattered: 0.7.
    expect((await routed(troupe, 'a parcel I want to track')).agent_id).toBe('refunds');
    expect(server.requests).toHaveLength(2);
  });

  test('is as sure as it is told to be', async () => {
    const lax = await hybrid([], { routing_threshold: 0.6 });
    expect((await routed(lax.troupe, 'a parcel I want to track')).agent_id).toBe('order');
    const strict = await hybrid([says('refunds')], { routing_threshold: 1 });
    expect((await routed(strict.troupe, 'so: where is my order?')).agent_id).toBe('refunds');
  });

  test('goes by what triggers there are when the model fails, and says why', async () => {
    const { troupe } = await hybrid([{ status: 500, message: 'no luck' }, { status: 500 }], {
      handleNoMatch: () => 'sorry',
    });
    expect(await routed(troupe, 'a parcel I want to track')).toMatchObject({
      agent_id: 'order',
      route: {
        confidence: 0.7,
        reason: expect.stringMatching(/words of "track a parcel"; the model could not decide: /),
      },
    });
    expect(await routed(troupe, 'something else')).toMatchObject({
      answer: 'sorry',
      route: { reason: expect.stringMatching(/^nothing matched; the model could not decide: /) },
    });
  });

  test('fails with no_match when neither knows anybody, or nothing is configured to ask', async () => {
    const { troupe } = await hybrid([{ status: 500 }]);
    expect(await routed(troupe, 'something else')).toMatchObject({
      error: { code: 'no_match', message: expect.stringContaining('; the model could not decide: ') },
    });
    const bare = await createTroupe({ agents, routing: 'hybrid' });
    onTestFinished(() => bare.close());
    expect(await routed(bare, 'a parcel I want to track')).toMatchObject({ agent_id: 'order' });
  });
});

test('a route is remembered: replaying the session asks no model again', async () => {
  const { troupe, server } = await asking([says('refunds', { secondary: ['order'] })]);
  await routed(troupe, 'this was not worth it');
  const entries = await troupe.conversations.journal({ tenant: 'default', session: 's1' });
  const { sessionMachine } = await import('../machines/session/machine.ts');
  expect(judge(entries, sessionMachine)).toMatchObject({ verdict: 'identical' });
  expect(entries.flatMap(({ emitted }) => emitted).find(({ type }) => type === 'run_routed')).toMatchObject({
    agent: 'refunds',
    secondary: ['order'],
    confidence: 0.8,
  });
  expect(server.requests).toHaveLength(1);
});

test('a takeover while the model decides ends the question', async () => {
  const { troupe, server } = await asking([{ text: 'x', cut: { after: 1, how: 'hang' } }]);
  const session = troupe.session('s1');
  const said = session.send('hm');
  await expect.poll(() => server.requests.length).toBe(1);
  await session.takeOver({ by: 'ann' });
  expect((await said).status).toBe('suspended');
  await expect.poll(() => server.left).toBe(1);
});

describe('what a model says of a route', () => {
  const known = new Set(['a', 'b', 'c']);
  const said = (input: unknown) => ({
    text: '',
    calls: [{ id: '1', name: 'route', arguments: JSON.stringify(input) }],
  });

  test('names only agents that there are; when the first is none, the next one answers', () => {
    const told = { primary: 'x', secondary: ['y', 'b', 'a', 'b'], confidence: 0.4, reasoning: 'so' };
    expect(routeOf(said(told), known)).toEqual({ agent: 'b', confidence: 0.4, reason: 'so', secondary: ['a'] });
    expect(() => routeOf(said({ ...told, secondary: [] }), known)).toThrow('"x", which is no agent here');
  });

  test('may be text with JSON in it, from servers that cannot be forced to call', () => {
    const text = 'Sure!\n```json\n{"primary":"c","confidence":"0.9"}\n```';
    expect(routeOf({ text, calls: [] }, known)).toEqual({ agent: 'c', confidence: 0.9, reason: 'the model said so' });
    expect(() => routeOf({ text: 'the agent c', calls: [] }, known)).toThrow('in the asked form');
  });

  test('is a route to known agents, nobody, or a failure, whatever it is', () => {
    const any = fc.record(
      {
        primary: fc.oneof(fc.constantFrom('a', 'b', 'x', 'none', null), fc.anything()),
        secondary: fc.oneof(fc.array(fc.constantFrom('a', 'b', 'c', 'x')), fc.anything()),
        confidence: fc.oneof(fc.double(), fc.anything()),
        reasoning: fc.oneof(fc.string(), fc.anything()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(any, (input) => {
        try {
          const route = routeOf(said(input), known);
          if (route === null) return;
          expect([...known]).toContain(route.agent);
          expect(route.confidence).toBeGreaterThanOrEqual(0);
          expect(route.confidence).toBeLessThanOrEqual(1);
          expect(route.reason.length).toBeLessThanOrEqual(300);
          for (const id of route.secondary ?? []) expect(known.has(id) && id !== route.agent).toBe(true);
        } catch (error) {
          if (!(error instanceof Failed) || error.code !== 'bad_model_answer') throw error;
        }
      }),
    );
  });
});
