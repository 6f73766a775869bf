// The exports of `troupe/testing`: tools to test machines and whole troupes without a clock, I/O or mocks.
export type { Transition } from './charts/transitions.ts';
export { memoryJournal } from './journal/memory.ts';
export { SteppedClock } from './platform/clock.ts';
export type { Fixture } from './sessions/fixture.ts';
export {
  CounterExample,
  type ExploreOptions,
  explore,
  type Graph,
  type GraphEdge,
  type GraphState,
  pathTo,
  type Result,
} from './testing/explore.ts';
export { deadlocks, everyEdge, everyState, type Holds, type Reach, reaches } from './testing/facts.ts';
export { fingerprint } from './testing/fingerprint.ts';
export { AnotherLife, replay } from './testing/fixture.ts';
export {
  type ErrorAnswer,
  type ModelAnswer,
  type ModelServer,
  type ModelServerOptions,
  type ModelServerRequest,
  modelServer,
  type RawAnswer,
  type Wire,
} from './testing/model-server.ts';
export { AnotherStory, play } from './testing/play.ts';
export { type Answer, failing, held, type ScriptedAgent, scripted, streamed } from './testing/scripted.ts';
export { start, type Walk } from './testing/walk.ts';
export { memoryTransport } from './transport/memory.ts';
