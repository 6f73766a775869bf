// A process dies at every single step of a flow: what comes of it is the same, and nothing that was remembered is done again.
import { expect, test } from 'vitest';
import { Model, type Operation, type Played } from './crash.ts';

const message = (agent: string): Operation => ({
  do: 'send',
  event: {
    type: 'message',
    id: 'm1',
    content: 'hello',
    route: { agent, confidence: 1, reason: 'named', secondary: [] },
  },
});
const answer = (text: string): Operation => ({ do: 'answer', result: text });
const asks: Operation = { do: 'answer', result: { type: 'approval_required', action: 'pay', summary: 'pay?' } };
/** To the question of this attempt. */
const approve = (attempt: number, decision: 'approve' | 'reject' = 'approve'): Operation => ({
  do: 'send',
  event: { type: 'approve', approval: `s1-r1.${attempt}`, decision, by: 'ann' },
});
const fails = (retryable: boolean): Operation => ({ do: 'fail', retryable });
const later: Operation = { do: 'advance', ms: 1_000 };

const seen = ({ transcript, told, replies, state, owed, working }: Played) => ({
  transcript,
  told,
  replies,
  state,
  owed,
  working,
});

/** In `relay` come worker, thinker (which calls a model) and stand-in, one after the other; in `chorus` stand-in and worker, at once. */
const scripts: Record<string, { operations: Operation[]; says: string; told: string[] }> = {
  'a sequence, with a model whose tools run, one of them after a person said yes': {
    operations: [message('relay'), answer('from the worker'), asks, approve(1), answer('paid'), answer('the end')],
    says: 'assistant: the end',
    told: ['step_finished', 'model_replied', 'tool_finished', 'approval_requested', 'step_resumed', 'flow_finished'],
  },
  'a step that asks a person itself, who says no': {
    operations: [message('relay'), asks, approve(1, 'reject'), answer('so not'), answer('thought'), answer('the end')],
    says: 'assistant: the end',
    told: ['approval_requested', 'step_resumed', 'flow_finished'],
  },
  'a step that fails, is tried again, and goes to another agent': {
    operations: [
      message('relay'),
      fails(true),
      later,
      fails(true),
      answer('by the fallback'),
      answer('t'),
      answer('z'),
    ],
    says: 'assistant: z',
    told: ['step_retried', 'step_moved', 'flow_finished'],
  },
  'a model that gives its step away': {
    operations: [
      message('relay'),
      answer('w'),
      { do: 'answer', result: { type: 'handoff', final_message: '', reason: 'not mine' } },
      answer('by another'),
      answer('the end'),
    ],
    says: 'assistant: the end',
    told: ['step_moved', 'flow_finished'],
  },
  'two at once, of which one fails for good': {
    operations: [message('chorus'), answer('one'), fails(false), fails(false)],
    says: 'assistant: one',
    told: ['step_moved', 'step_finished', 'flow_finished'],
  },
  'two at once that both ask': {
    operations: [message('chorus'), asks, asks, approve(1), answer('one'), approve(2), answer('two')],
    says: 'assistant: one\n\ntwo',
    told: ['approval_requested', 'step_resumed', 'flow_finished'],
  },
  'a flow that is taken over in the middle and given back': {
    operations: [
      message('relay'),
      answer('w'),
      { do: 'send', event: { type: 'takeover', by: 'ann' } },
      { do: 'send', event: { type: 'release' } },
      answer('thought'),
      answer('the end'),
    ],
    says: 'assistant: the end',
    told: ['run_suspended', 'run_resumed', 'flow_finished'],
  },
};

test.each(Object.entries(scripts))('%s', { timeout: 300_000 }, async (_, { operations, says, told }) => {
  const calm = await new Model().play(operations);
  expect(calm.transcript.at(-1)).toBe(says);
  for (const type of told) expect(calm.told.join('\n')).toContain(`"type":"${type}"`);
  expect(calm.repeated).toEqual([]);
  for (let step = 0; step < calm.steps.length; step += 1)
    for (const crashAt of [[step], [step, step + 1], [step, step + 3]]) {
      const crashed = await new Model(crashAt).play(operations);
      const where = `dies at ${crashAt.map((at) => `${at} (${crashed.steps[at]})`)}`;
      expect(crashed.crashes, where).toBeGreaterThan(0);
      expect(seen(crashed), where).toEqual(seen(calm));
      expect(crashed.repeated, where).toEqual([]);
    }
});
