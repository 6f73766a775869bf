// Performs an agent that is a function in this process.

import { messageOf, type Performer } from '../../../actors/performer.ts';
import type { Clock } from '../../platform/clock.ts';
import type { FunctionAgent } from '../definition.ts';
import { answerOf } from './answer.ts';
import { WorkContext } from './context.ts';

/** Calls the function with the user's text; see `answerOf` for the values that it may return. */
export function functionPerformer(agent: FunctionAgent, clock: Clock): Performer {
  const own = agent.tools ?? [];
  return async (call, io) => {
    const context = new WorkContext(call, io, own, clock);
    return answerOf(agent.run(messageOf(call), context), context);
  };
}
