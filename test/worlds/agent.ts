// Everything that can happen to an agent of up to two endpoints.
import type { AgentEvent } from '../../machines/agent/events.ts';
import type { agentMachine } from '../../machines/agent/machine.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';

const counts = [0, 1, 2].flatMap((total) =>
  [0, 1, 2].flatMap((available) => [0, 1, 2].map((probing) => ({ total, available, probing }))),
);

export const agentWorld = {
  events: [
    ...counts
      .filter(({ total, available, probing }) => available + probing <= total)
      .map((count): AgentEvent => ({ type: 'endpoints.counted', ...count })),
    { type: 'remove' },
  ],
} satisfies ExploreOptions<typeof agentMachine>;
