// Examples for the chart of a conversation.
import { byType, type Samples } from '../samples.ts';
import { bodies, runtimeEvent, sessionInput, settings } from './events.ts';
import type { sessionMachine } from './machine.ts';

export const session = {
  events: { ...bodies, ...byType(runtimeEvent) },
  input: sessionInput,
  sample_input: { id: 's1', settings: settings.parse({}) },
  samples: {
    message: { id: 'm1', content: 'Hello', route: { agent: 'helper', confidence: 1, reason: 'named by the caller' } },
    pause: { mode: 'drain' },
    takeover: { by: 'ann' },
    inject: { mode: 'speak', content: 'Ann here.', by: 'ann' },
    approve: { approval: 's1-r1.1', decision: 'approve', by: 'ann' },
    tool_result: { call: 's1-r1.1', result: 42 },
    progressed: { task: { step: 1 } },
    escalated: { reason: 'the user asks for a person' },
    fail: { reason: 'the chart could not take an event' },
  },
  outputs: {
    screen: { allow: true },
    router: { agent: 'helper', confidence: 0.8, reason: 'trigger' },
    agent: { result: { type: 'answer', final_message: 'Hello!' }, endpoint: 'helper/local', ms: 12 },
  },
} satisfies Samples<typeof sessionMachine>;
