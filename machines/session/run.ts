// What the bodies of the session chart's names share: reading results out of events, changing the open run, ending it.
import { setup } from 'xstate';
import type { AttemptOutput, Failure, Run, SessionContext, SessionEmitted, SessionEvent } from './events.ts';

export type Args = { context: SessionContext; event: SessionEvent };
export type Of<T extends SessionEvent['type']> = Extract<SessionEvent, { type: T }>;
export type Emit = (event: SessionEmitted) => void;

const typed = setup({
  types: { context: {} as SessionContext, events: {} as SessionEvent, emitted: {} as SessionEmitted },
});
export const { assign, emit, raise } = typed;
// XState does not export the names that the inferred type would need in a declaration file.
export const enqueueActions: typeof typed.enqueueActions = typed.enqueueActions;

// Results come in as XState's own done and error events, which the event type does not list.
export const output = <T>(event: unknown): T => (event as { output: T }).output;
export const result = (event: unknown): AttemptOutput['result'] => output<AttemptOutput>(event).result;

/** Why work failed; a time-out says nothing about what was done meanwhile, so it is worth another try. */
export const failureOf = ({ context, event }: Args): Failure =>
  (event as { error?: Failure }).error ?? {
    code: 'timeout',
    message: `no result within ${context.settings.attempt_ms} ms`,
    retryable: true,
  };

/** The id of a run of this session, as the outside sees it. */
export const runId = (session: string, n: number): string => `${session}-r${n}`;
export const idOf = ({ context }: Args): string => runId(context.id, context.run!.n);

/** The id of a question that the present attempt asks, and of a transfer that it begins. */
export const question = (context: SessionContext) => `${runId(context.id, context.run!.n)}.${context.run!.attempt}`;

export const changeRun = (change: (run: Run, args: Args) => Partial<Run>) =>
  assign(({ context, event }) => ({ run: { ...context.run!, ...change(context.run!, { context, event }) } }));

/** The events that the agent's own chart emitted, as events of the run. */
export const emitOwn = ({ context, event }: Args, own: readonly SessionEmitted[] | undefined, emit: Emit): void => {
  const { agent, attempt } = context.run!;
  const base = { run_id: idOf({ context, event }), agent_id: agent, attempt };
  for (const { type, ...rest } of own ?? []) emit({ type, ...base, ...rest });
};

/** A transferred run has come to a result with the other agent: it stays there. */
export const settle = ({ context, event }: Args, emit: Emit): void => {
  const { transfer } = context.run!;
  if (!transfer) return;
  const { receipt, to } = transfer;
  emit({ type: 'transfer_completed', run_id: idOf({ context, event }), receipt, agent_id: to });
};

export const cancelRunBecause = (reason: string) =>
  enqueueActions(({ context, event, enqueue }) => {
    const { message } = context.run!;
    enqueue.emit({ type: 'run_cancelled', run_id: idOf({ context, event }), message_id: message, reason });
    enqueue.assign({ run: null });
  });

export const failRunBecause = (reason: (args: Args) => { code: string; message: string }) =>
  enqueueActions(({ context, event, enqueue }) => {
    const { message, agent } = context.run!;
    const base = { run_id: idOf({ context, event }), message_id: message, agent_id: agent };
    enqueue.emit({ type: 'run_failed', ...base, ...reason({ context, event }) });
    enqueue.assign({ run: null });
  });
