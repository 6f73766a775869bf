// The session's chart as somebody may have rewritten it: another version that knows nothing of a conversation's turns.
import { createMachine } from 'xstate';

export default createMachine({
  id: 'session',
  version: '2',
  initial: 'open',
  states: { open: { on: { close: 'closed' } }, closed: { type: 'final' } },
});
