// The chart of an agent that thinks and acts: the model replies, its calls are made, and it is asked again until it answers.
import { outcome } from '../task/rules.ts';
import { createMachine, initialContext, inputs, outputs } from './rules.ts';

export const reactMachine = createMachine({
  id: 'react',
  version: '1',
  context: initialContext,
  output: outcome,
  initial: 'thinking',
  on: { heard: { actions: 'hear' } },
  states: {
    thinking: {
      id: 'thinking',
      description: 'A call of the model that fails ends the attempt; the next one asks again from here.',
      entry: 'takeWords',
      // A model that is already at work has not heard them.
      on: { heard: { target: 'thinking', reenter: true, actions: 'hear' } },
      invoke: {
        id: 'model',
        src: 'model',
        input: inputs.model,
        onDone: [
          { guard: 'wantsCalls', target: 'acting', actions: 'recordReply' },
          { guard: 'saysSomething', target: 'done', actions: 'recordReply' },
          { guard: 'wasNudged', target: 'failed', actions: 'countReply' },
          { target: 'thinking', reenter: true, actions: ['countReply', 'nudge'] },
        ],
      },
    },
    acting: {
      initial: 'deciding',
      states: {
        deciding: {
          tags: 'passing',
          always: [
            { guard: 'callsCanRun', target: 'running' },
            { guard: 'callNeedsApproval', target: 'awaitingApproval', actions: 'askForApproval' },
            { guard: 'callIsForTheClient', target: 'awaitingClientTool', actions: 'askForClientTool' },
            { guard: 'callTransfers', target: 'transferring', actions: 'askForTransfer' },
            { guard: 'stepsLeft', target: '#thinking', actions: 'closeCalls' },
            { target: '#thinking', actions: ['closeCalls', 'tellExhausted'] },
          ],
        },
        running: {
          description: 'A tool that fails is told of; only what performs them all can fail, and then the attempt ends.',
          entry: 'tellCalled',
          always: { guard: 'allHaveRun', target: 'deciding' },
          on: { 'tool.finished': { guard: 'isRunning', actions: 'recordResult' } },
          invoke: {
            id: 'tools',
            src: 'tools',
            input: inputs.tools,
            onDone: { target: 'deciding', actions: 'noteMissing' },
          },
        },
        awaitingApproval: {
          tags: 'asks',
          on: {
            decided: [
              { guard: 'approves', target: 'deciding', actions: 'approve' },
              { guard: 'isApproval', target: 'deciding', actions: 'reject' },
            ],
          },
        },
        awaitingClientTool: {
          tags: 'asks',
          on: { decided: { guard: 'isClientResult', target: 'deciding', actions: 'recordClientResult' } },
        },
        // Nothing comes back from here, unless the other agent could not take the run.
        transferring: {
          tags: 'asks',
          on: { decided: { guard: 'isFailedTransfer', target: 'deciding', actions: 'noteFailedTransfer' } },
        },
      },
    },
    done: { type: 'final', output: outputs.answer },
    failed: { type: 'final', output: outputs.failure },
  },
});
