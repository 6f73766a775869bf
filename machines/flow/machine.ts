// The chart of a flow: other agents answer one after the other or all at once, and one answer is made of theirs.
import { or } from 'xstate';
import { outcome } from '../task/rules.ts';
import { migrate } from './migrate.ts';
import { createMachine, initialContext, inputs, outputs } from './rules.ts';

export const flowMachine = createMachine({
  id: 'flow',
  version: '2',
  meta: { migrate },
  context: initialContext,
  output: outcome,
  initial: 'deciding',
  states: {
    deciding: {
      tags: 'passing',
      always: [
        { guard: 'mustStop', target: 'failed', actions: 'tellFinished' },
        { guard: 'stepsCanRun', target: 'performing', actions: 'startSteps' },
        { guard: 'stepAsks', target: 'asking', actions: 'ask' },
        { guard: 'nothingSucceeded', target: 'failed', actions: 'tellFinished' },
        { guard: 'functionAggregates', target: 'aggregating' },
        { target: 'done', actions: ['conclude', 'tellFinished'] },
      ],
    },
    performing: {
      description: 'A step that fails is told of; only what performs them all can fail, and then the attempt ends.',
      always: { guard: or(['mustStop', 'noneAtWork']), target: 'deciding' },
      on: {
        // Those at work have not heard them.
        heard: { target: 'performing', reenter: true, actions: 'hear' },
        'step.progressed': { guard: 'isAtWork', actions: 'recordProgress' },
        'step.failed': [
          { guard: 'triesElsewhere', actions: 'countFailure' },
          { guard: 'triesAgain', actions: 'countFailure' },
          { guard: 'givesBack', actions: 'undoTransfer' },
          { guard: 'triesNextAgent', actions: 'nextAgent' },
          { guard: 'isAtWork', actions: 'recordFailure' },
        ],
        'step.transferred': [
          { guard: 'transfersLeft', actions: 'transfer' },
          { guard: 'isAtWork', actions: 'failTransfer' },
        ],
        'step.finished': { guard: 'isAtWork', actions: 'recordResult' },
        'step.asked': { guard: 'isAtWork', actions: 'recordQuestion' },
        'step.handed_over': { guard: 'isAtWork', target: 'handedOver', actions: ['handOver', 'tellFinished'] },
      },
      invoke: {
        id: 'steps',
        src: 'steps',
        input: inputs.steps,
        onDone: { target: 'deciding', actions: 'noteMissing' },
      },
    },
    asking: {
      tags: 'asks',
      on: {
        decided: { guard: 'isAnswer', target: 'deciding', actions: 'recordDecision' },
        heard: [{ guard: 'asksForInput', target: 'deciding', actions: 'recordAnswer' }, { actions: 'hear' }],
      },
    },
    aggregating: {
      description: 'What aggregates fails: the attempt ends, and the next one asks it again, and no step.',
      on: { heard: { target: 'aggregating', reenter: true, actions: 'hear' } },
      invoke: {
        id: 'aggregate',
        src: 'aggregate',
        input: inputs.aggregate,
        onDone: { target: 'done', actions: ['recordAnswerOfFunction', 'tellFinished'] },
      },
    },
    done: { type: 'final', output: outputs.answer },
    failed: { type: 'final', output: outputs.failure },
    handedOver: { type: 'final', output: outputs.handover },
  },
});
