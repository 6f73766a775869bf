// Everything that can happen to a node.
import type { orchestratorMachine } from '../../machines/orchestrator/machine.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';

export const orchestratorWorld = {
  events: [
    { type: 'journal.opened' },
    { type: 'journal.failed', reason: 'the disk is full' },
    { type: 'joined' },
    { type: 'join.failed', reason: 'too old a server' },
    { type: 'journal.lost' },
    { type: 'journal.back' },
    { type: 'drain' },
    { type: 'drained' },
  ],
} satisfies ExploreOptions<typeof orchestratorMachine>;
