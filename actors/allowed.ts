// What a caller may do to a session as it stands: the chart's own guards, asked with the least that each verb needs.
import type { AnyMachineSnapshot } from 'xstate';
import type { SessionContext, SessionEvent, Verb } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import type { Entry } from '../src/journal/journal.ts';
import { stepper } from './durable.ts';

/** The verbs that are accepted now. Whether one is still accepted when it arrives only its answer says. */
export function allowedIn(snapshot: AnyMachineSnapshot): Verb[] {
  if (snapshot.status !== 'active') return [];
  return least(snapshot.context as SessionContext)
    .filter((event) => snapshot.can(event))
    .map(({ type }) => type);
}

/** The same after an entry; none where another version of the chart wrote it. */
export function allowedAfter({ machine, snapshot }: Entry): Verb[] {
  const pure = stepper(sessionMachine);
  return machine === pure.name && snapshot.status === undefined ? allowedIn(pure.restore(snapshot)) : [];
}

/** Each verb as somebody would say it who is not the holder and answers the open question. */
function least({ run }: SessionContext): Event[] {
  const question = run?.question?.id ?? '';
  return [
    { type: 'message', id: '', content: '' },
    { type: 'pause', mode: 'drain' },
    { type: 'resume' },
    { type: 'takeover', by: '' },
    { type: 'inject', mode: 'speak', content: '', by: '' },
    { type: 'release' },
    { type: 'approve', approval: question, decision: 'approve', by: '' },
    { type: 'tool_result', call: question },
    { type: 'cancel' },
    { type: 'close' },
  ];
}

type Event = Extract<SessionEvent, { readonly type: Verb }>;
