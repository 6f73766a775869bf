// The verbs that a session accepts in its current state: the chart's own guards, run with the smallest event of each
// verb.
import type { AnyMachineSnapshot } from 'xstate';
import type { SessionContext, SessionEvent, Verb } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import type { Entry } from '../src/journal/journal.ts';
import { Refused } from '../src/platform/errors.ts';
import { stepper } from './durable.ts';
import { migrated } from './versions.ts';

/**
 * The verbs that the chart accepts now. The state may change before a verb arrives, so only its reply says whether it
 * was accepted.
 */
export function allowedIn(snapshot: AnyMachineSnapshot): Verb[] {
  if (snapshot.status !== 'active') return [];
  return least(snapshot.context as SessionContext)
    .filter((event) => snapshot.can(event))
    .map(({ type }) => type);
}

/** The verbs that the chart accepts after this entry; none when the entry cannot be migrated to this version of the chart. */
export function allowedAfter(entry: Entry): Verb[] {
  if (entry.snapshot.status !== undefined) return [];
  try {
    return allowedIn(stepper(sessionMachine).restore(migrated(entry, sessionMachine, 'the entry').snapshot));
  } catch (error) {
    if (error instanceof Refused) return [];
    throw error;
  }
}

/** The smallest event of each verb, sent by a caller who is not the holder and who answers the open question. */
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
