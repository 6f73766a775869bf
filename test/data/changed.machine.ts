// The session's chart as somebody may have rewritten it: another version that knows nothing of a conversation's turns.
import { createMachine } from 'xstate';

const asItIs = (snapshot: object) => snapshot;

export default createMachine({
  id: 'session',
  version: '99',
  meta: { migrate: { '1': asItIs, '2': asItIs } },
  initial: 'open',
  states: { open: { on: { close: 'closed' } }, closed: { type: 'final' } },
});
