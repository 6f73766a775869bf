// A second life for a session from any entry on: its events run again under another id, and the rest is left behind.
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { stepper } from '../actors/durable.ts';
import type { SessionInput } from '../machines/session/events.ts';
import { Refused } from './errors.ts';
import type { Entry, Owed } from './journal.ts';
import { refold, take } from './replay.ts';

/**
 * The entries of a new session `as` that has lived what `entries` tell. Every id that the chart makes is the new
 * session's own; what an agent wrote into its own task is left as it is. An agent that was at work is called again when the
 * new session wakes, and timers wait for what remained of them. Throws `Refused('not_replayable')`.
 */
export function fork(entries: readonly Entry[], machine: AnyStateMachine, as: string, now: number): Entry[] {
  const refolding = refold(entries, machine);
  if (!refolding.identical)
    throw new Refused('not_replayable', `entry ${refolding.at} comes out otherwise: ${refolding.why}`, 409);
  const pure = stepper(machine);
  const last = entries.at(-1)!;
  const { id } = entries[0]!.init as SessionInput;
  let snapshot: AnyMachineSnapshot | undefined;
  return entries.map((entry) => {
    const init = entry.init === undefined ? undefined : { ...(entry.init as SessionInput), id: as };
    const renamed = { ...entry, ...(init && { init }), event: eventOf(entry.event, id, as) };
    const step = take(pure, snapshot, renamed);
    snapshot = step.snapshot;
    const forked = { ...renamed, emitted: step.emitted, snapshot: pure.dump(snapshot) };
    return entry === last ? postponed(forked, now - last.at) : forked;
  });
}

/** Approvals and tool results name the question that they answer by the session's id. */
function eventOf(event: Entry['event'], id: string, as: string): Entry['event'] {
  const rename = (name: unknown): string => String(name).replace(`${id}-r`, () => `${as}-r`);
  if (event.type === 'approve') return { ...event, approval: rename(event.approval) };
  if (event.type === 'tool_result') return { ...event, call: rename(event.call) };
  return event;
}

function postponed(entry: Entry, ms: number): Entry {
  const owed = entry.owed.map((one): Owed => (one.due === undefined ? one : { ...one, due: one.due + ms }));
  return { ...entry, owed, ...(entry.wake && { wake: entry.wake + ms }) };
}
