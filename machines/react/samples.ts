// Examples for the chart of an agent that thinks and acts.
import { byType, type Samples } from '../samples.ts';
import { reactEvent, reactInput } from './events.ts';
import type { reactMachine } from './machine.ts';

export const react = {
  events: byType(reactEvent),
  input: reactInput,
  sample_input: { input: ['What is 6 times 7?'], max_steps: 3 },
  samples: {
    heard: { input: ['And hurry.'] },
    decided: { decision: { kind: 'approval', decision: 'approve', by: 'ann' } },
    'tool.finished': { call: 'c1', output: 42, ms: 5 },
  },
  outputs: {
    model: { text: '', calls: [{ id: 'c1', name: 'multiply', arguments: { a: 6, b: 7 }, kind: 'run' }] },
    tools: undefined,
  },
} satisfies Samples<typeof reactMachine>;
