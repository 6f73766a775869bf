// Examples for the chart of a flow.
import { byType, type Samples } from '../samples.ts';
import { flowEvent, flowInput } from './events.ts';
import type { flowMachine } from './machine.ts';

const failure = { code: 'agent_failed', message: 'it cannot', retryable: true };

export const flow = {
  events: byType(flowEvent),
  input: flowInput,
  sample_input: {
    mode: 'sequential',
    steps: [
      { id: 'research', agent: 'researcher' },
      { id: 'write', agent: 'writer' },
    ],
    on_failure: 'stop',
    input: ['Write about owls.'],
  },
  samples: {
    heard: { input: ['Barn owls.'] },
    decided: { decision: { kind: 'approval', decision: 'approve', by: 'ann' } },
    'step.progressed': { step: 'research', task: {} },
    'step.transferred': { step: 'research', agent: 'librarian', reason: 'knows more', ms: 9 },
    'step.finished': { step: 'research', output: 'Owls hunt at night.', ms: 9 },
    'step.failed': { step: 'research', failure, chain: ['researcher'], at: 0, ms: 9 },
    'step.asked': { step: 'research', question: { type: 'input_required', prompt: 'Which owls?' } },
    'step.handed_over': { step: 'research', final_message: 'Ann takes over.', reason: 'too hard' },
  },
  outputs: { steps: undefined, aggregate: 'Owls hunt at night.' },
} satisfies Samples<typeof flowMachine>;
