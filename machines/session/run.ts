// What the bodies of the session chart's names share: reading results out of events, changing the open run, ending it.
import type { AttemptEnd, Only, RunEmitted, RunError, SessionEmitted, TaskEmitted } from '../../src/emitted/emitted.ts';
import { action, type Done } from '../action.ts';
import type { AttemptOutput, Pending, Run, SessionContext, SessionEvent } from './events.ts';

export type Args = { context: SessionContext; event: SessionEvent };
export type Of<T extends SessionEvent['type']> = Extract<SessionEvent, { type: T }>;

export const act = action<SessionContext, SessionEvent, SessionEmitted>();

// Results come in as XState's own done and error events, which the event type does not list.
export const output = <T>(event: unknown): T => (event as { output: T }).output;
export const result = (event: unknown): AttemptOutput['result'] => output<AttemptOutput>(event).result;

/** The message of work that was given up at `attempt_ms`. */
export const timeout = ({ settings }: SessionContext): string => `no result within ${settings.attempt_ms} ms`;

/** The id of a run of this session, as the outside sees it. */
export const runId = (session: string, n: number): string => `${session}-r${n}`;

/** The id of a question that the present attempt asks, and of a transfer that it begins. */
export const question = ({ id, run }: SessionContext): string => `${runId(id, run!.n)}.${run!.attempt}`;

/** What an action about the open run does: `run` is what changes in it, `null` ends it. */
interface DoneWithRun extends Done<SessionContext, RunEmitted> {
  readonly run?: Partial<Run> | null;
}

/** An action about the open run. Events without a `run_id` get the run's. */
export const onRun = <D extends DoneWithRun>(decide: (run: Run, args: Args) => D & Only<D, RunEmitted>) =>
  act(({ context, event }) => {
    const open = context.run!;
    const { run = {}, assign, emit = [] } = decide(open, { context, event }) as DoneWithRun;
    const run_id = runId(context.id, open.n);
    return {
      assign: { ...assign, run: run && { ...open, ...run } },
      emit: emit.map(({ type, ...rest }) => ({ type, run_id, ...rest }) as SessionEmitted),
    };
  });

/** What the events about a run's outcome have in common. */
export const about = ({ message, agent }: Run) => ({ message_id: message, agent_id: agent! });

/** The events that the agent's own chart emitted, as events of the run. */
export const own = ({ agent, attempt }: Run, emitted: readonly TaskEmitted[] = []): RunEmitted[] =>
  emitted.map(({ type, ...rest }) => ({ type, agent_id: agent, attempt, ...rest }) as RunEmitted);

/** The events of an attempt that has a result. A transferred run stays with the other agent from then on. */
export const attempted = (run: Run, event: SessionEvent, more: AttemptEnd): RunEmitted[] => {
  const { endpoint, ms, told } = output<AttemptOutput>(event);
  const { transfer } = run;
  return [
    ...own(run, told),
    ...(transfer ? [{ type: 'transfer_completed' as const, receipt: transfer.receipt, agent_id: transfer.to }] : []),
    { type: 'agent_invoke_done', ...about(run), attempt: run.attempt, endpoint, ms, ...more },
  ];
};

/** The outcome of messages whose runs are dropped, or never begin. */
export const cancelled = (id: string, dropped: readonly Pick<Pending, 'id' | 'run'>[], reason: string) =>
  dropped.map((one) => ({ type: 'run_cancelled' as const, run_id: runId(id, one.run), message_id: one.id, reason }));

export const cancelRunBecause = (reason: string) =>
  onRun(({ message: id, n: run }, { context }) => ({ run: null, emit: cancelled(context.id, [{ id, run }], reason) }));

export const failRunBecause = (reason: (args: Args) => RunError) =>
  onRun((run, args) => ({ run: null, emit: [{ type: 'run_failed', ...about(run), ...reason(args) }] }));
