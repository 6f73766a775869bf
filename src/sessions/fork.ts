// Forks a session at an entry: replays its events up to there under another id.
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { stepper } from '../../actors/durable.ts';
import { fold, wakeAt } from '../../actors/session.ts';
import type { Route, SessionInput } from '../../machines/session/events.ts';
import { stateName } from '../../machines/state-name.ts';
import type { Entry, Owed } from '../journal/journal.ts';
import { Refused } from '../platform/errors.ts';
import { refold, take } from './replay.ts';

/** The agent and route that the last message of a fork gets instead of its own. */
export interface Readdressed {
  readonly agent: string;
  readonly route?: Route;
}

/**
 * The entries of a new session `as`, replayed from `entries`. Every id that the chart derives is the new session's own; the
 * content that an agent wrote into its task is unchanged. An agent that was running is called again when the new session wakes,
 * and timers keep their remaining time. With `to` the last entry, which must be a message, goes to another agent. Throws
 * `Refused('not_replayable')`.
 */
export function fork(
  entries: readonly Entry[],
  machine: AnyStateMachine,
  as: string,
  now: number,
  to?: Readdressed,
): Entry[] {
  const refolding = refold(entries, machine);
  if (!refolding.identical) throw notReplayable(refolding.at, refolding.why);
  const pure = stepper(machine);
  const last = entries.at(-1)!;
  const { id } = entries[0]!.init as SessionInput;
  let snapshot: AnyMachineSnapshot | undefined;
  let owed: readonly Owed[] = [];
  return entries.map((entry) => {
    const init = entry.init === undefined ? undefined : { ...(entry.init as SessionInput), id: as };
    const event = entry === last && to ? { ...entry.event, flow: undefined, ...to } : eventOf(entry.event, id, as);
    const renamed = { ...entry, ...(init && { init }), event };
    const step = take(pure, snapshot, renamed);
    if (!step.changed) throw notReplayable(entry.n, `the chart does not accept ${event.type} here`);
    snapshot = step.snapshot;
    owed = fold(owed, step, entry.n, entry.at);
    const { wake: _, ...rest } = renamed;
    const forked: Entry = {
      ...rest,
      machine: pure.name,
      emitted: step.emitted,
      snapshot: pure.dump(snapshot),
      state: stateName(snapshot.value),
      owed,
      ...(owed.length > 0 && { wake: wakeAt(owed) }),
    };
    return entry === last ? postponed(forked, now - last.at) : forked;
  });
}

const notReplayable = (n: number, why: string): Refused =>
  new Refused('not_replayable', `entry ${n} comes out otherwise: ${why}`, 409);

/** Approvals and tool results refer to their question by an id that begins with the session's. */
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
