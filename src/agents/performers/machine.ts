// Performs an agent that is a user's own chart: runs it as a task, and its invokes with the declared functions.

import { messageOf, type Performer } from '../../../actors/performer.ts';
import { performTask } from '../../../actors/task.ts';
import type { Clock } from '../../platform/clock.ts';
import type { MachineAgent } from '../definition.ts';
import { WorkContext } from './context.ts';

/** See `performTask` for the events that the chart gets and the results that it may end with. */
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
