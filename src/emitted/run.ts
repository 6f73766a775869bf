// What readers of a run's events ask: of which run one is, and whether it ends the run or stops it. Apart from the schemas, for browsers.
import type { Emitted, EmittedOf } from './emitted.ts';

/** By the event: what callers who wait for the run get, and what the run then waits for; where it waits for nothing it has ended. */
export const RUN_OUTCOMES = {
  run_done: { status: 'done' },
  run_failed: { status: 'failed' },
  run_cancelled: { status: 'cancelled' },
  run_suspended: { status: 'suspended', waits_for: 'resume' },
  input_requested: { status: 'awaiting_input', waits_for: 'input' },
  approval_requested: { status: 'awaiting_approval', waits_for: 'approval' },
  tool_requested: { status: 'awaiting_tool', waits_for: 'tool' },
} as const;

type Outcomes = typeof RUN_OUTCOMES;
type EndType = { [T in keyof Outcomes]: Outcomes[T] extends { waits_for: string } ? never : T }[keyof Outcomes];

/** An event that ends a run or stops it. */
export type RunOutcome = EmittedOf<keyof Outcomes>;
/** An event that ends a run: nothing more comes of it. */
export type RunEnd = EmittedOf<EndType>;

export const isOutcome = (one: Emitted): one is RunOutcome => Object.hasOwn(RUN_OUTCOMES, one.type);
export const isEnd = (one: Emitted): one is RunEnd => isOutcome(one) && !('waits_for' in RUN_OUTCOMES[one.type]);

/** The run that an event is about; undefined when it is about none, such as who has the floor. */
export const runOf = (one: Emitted): string | undefined => ('run_id' in one ? one.run_id : undefined);
