// Performs an agent that is a chart of its user's: runs it as a task, its invokes by the functions it was declared with.

import { messageOf, type Performer } from '../../../actors/performer.ts';
import { performTask } from '../../../actors/task.ts';
import type { Clock } from '../../platform/clock.ts';
import type { MachineAgent } from '../definition.ts';
import { WorkContext } from './context.ts';

/** See `performTask` for what the chart is told and what it may come to. */
export function machinePerformer(agent: MachineAgent, clock: Clock): Performer {
  return (call, io) => {
    const context = new WorkContext(call, io, agent.tools ?? [], clock);
    const actors = Object.entries(agent.actors ?? {}).map(([src, actor]) => [
      src,
      async (input: unknown, { key, signal, tell }: Parameters<(typeof agent.actors & object)[string]>[1]) =>
        actor(input, { ...context, call, signal, key, tell }),
    ]);
    return performTask({
      machine: agent.machine,
      input: agent.input ? agent.input(call) : { message: messageOf(call) },
      call,
      io,
      clock,
      actors: Object.fromEntries(actors),
    });
  };
}
