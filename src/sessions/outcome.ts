// The outcome of a message, and waiting for it.
import { moved, type Orchestrator } from '../../actors/orchestrator.ts';
import type { Session } from '../../actors/session.ts';
import { type RunEvent, runEventsOf } from '../../actors/transcript.ts';
import { type SessionView, view } from '../../actors/view.ts';
import type { SessionContext } from '../../machines/session/events.ts';
import type { Emitted, EmittedOf } from '../emitted/emitted.ts';
import { isOutcome, RUN_OUTCOMES, type RunOutcome } from '../emitted/run.ts';
import type { Entry, Key } from '../journal/journal.ts';

/** The outcome of a message: immediate if it waits for a person or a resumption, else when its run answers, asks or ends. */
export interface Outcome {
  readonly status: (typeof RUN_OUTCOMES)[RunOutcome['type']]['status'] | 'accepted';
  readonly run_id: string;
  readonly message_id: string;
  readonly agent_id: string | null;
  readonly answer: string | null;
  readonly trace: readonly RunEvent[];
  readonly error?: { readonly code: string; readonly message: string; readonly retry_after_s?: number };
  /** What a person or the caller must decide: the approval or tool call that the run waits for. */
  readonly question?: EmittedOf<'approval_requested' | 'tool_requested'>;
  readonly state: SessionView;
}

/** The entry's word that it took this message. */
export const acceptedOf = (entry: Entry, message_id: string): EmittedOf<'message_accepted'> =>
  entry.emitted.filter((one) => one.type === 'message_accepted').find((one) => one.message_id === message_id)!;

/** What a run came to, by the event that ends or stops it, and by the attempt before it, where one was done. */
export function cameTo(
  one: RunOutcome,
  done: EmittedOf<'agent_invoke_done'> | undefined,
): Pick<Outcome, 'status' | 'agent_id' | 'answer' | 'error' | 'question'> {
  return {
    status: RUN_OUTCOMES[one.type].status,
    agent_id: 'agent_id' in one ? one.agent_id : null,
    answer: done?.final_message ?? (one.type === 'input_requested' ? one.prompt : null),
    ...(one.type === 'run_failed' && {
      error: { code: one.code, message: one.message, retry_after_s: one.retry_after_s },
    }),
    ...(one.type === 'run_cancelled' && { error: { code: 'cancelled', message: one.reason } }),
    ...((one.type === 'approval_requested' || one.type === 'tool_requested') && { question: one }),
  };
}

/** Waits for the outcome of one message: subscribes to the session's entries before the message is sent. */
export class Waiting {
  readonly #received: Entry[] = [];
  readonly #end: () => void;
  readonly #unstop: () => void;
  readonly #orchestrator: Orchestrator;
  readonly #key: Key;
  readonly #trace: RunEvent[] = [];
  #onEntry: ((entry: Entry) => void) | undefined;
  #stop: (() => void) | undefined;
  #moved: () => void = () => {};
  #signal: AbortSignal | undefined;
  #message_id = '';
  #run_id = '';

  constructor(orchestrator: Orchestrator, key: Key, signal: AbortSignal | undefined) {
    this.#orchestrator = orchestrator;
    this.#key = key;
    this.#signal = signal;
    this.#end = orchestrator.hear(key, {
      entry: (entry) => {
        if (this.#onEntry) this.#onEntry(entry);
        else this.#received.push(entry);
      },
      moved: () => this.#moved(),
    });
    this.#unstop = orchestrator.onStop(() => this.#stop?.());
  }

  end(): void {
    this.#end();
    this.#unstop();
  }

  async for(session: Session, accepted: Entry, message_id: string, duplicate: boolean): Promise<Outcome> {
    this.#message_id = message_id;
    this.#run_id = acceptedOf(accepted, message_id).run_id;
    // A repeated message may have had its answer long ago.
    const past = duplicate ? await this.#orchestrator.journal.read(this.#key, accepted.n) : [];
    // Entries received during the read may be in its result too.
    const read = past.at(-1)?.entry.n ?? accepted.n - 1;
    const entries = [...past.map(({ entry }) => entry), ...this.#received.filter(({ n }) => n > read)];
    for (const entry of entries) {
      const outcome = this.#take(entry, session);
      if (outcome) return outcome;
    }
    if (stays(session, message_id)) return this.#accepted(session);
    return new Promise((resolve, reject) => {
      // The message is kept, and whoever wakes the session answers it.
      this.#stop = () => resolve(this.#accepted(session));
      this.#moved = () => reject(moved(this.#key));
      if (this.#signal?.aborted) reject(this.#signal.reason);
      this.#signal?.addEventListener('abort', () => reject(this.#signal!.reason), { once: true });
      this.#onEntry = (entry) => {
        const outcome =
          this.#take(entry, session) ??
          (leaves(entry) && stays(session, message_id) ? this.#accepted(session) : undefined);
        if (outcome) resolve(outcome);
      };
    });
  }

  #take(entry: Entry, session: Session): Outcome | undefined {
    this.#trace.push(...runEventsOf(entry, this.#run_id).filter(({ type }) => type !== 'agent_stream_delta'));
    for (const one of entry.emitted) {
      if (!isAbout(one, this.#message_id)) continue;
      // From now on it is answered together with another message.
      if (one.type === 'run_joined') {
        this.#message_id = one.by;
        this.#run_id = one.into;
      }
      if (isOutcome(one)) return this.#outcome(session, cameTo(one, doneOf(entry, this.#run_id)));
    }
    return;
  }

  #accepted(session: Session): Outcome {
    return this.#outcome(session, { status: 'accepted', agent_id: null, answer: null });
  }

  #outcome(session: Session, { status, agent_id, answer, ...rest }: ReturnType<typeof cameTo>): Outcome {
    const [run_id, message_id] = [this.#run_id, this.#message_id];
    return { status, run_id, message_id, agent_id, answer, trace: this.#trace, ...rest, state: view(session) };
  }
}

const isAbout = (one: Emitted, message_id: string): boolean => 'message_id' in one && one.message_id === message_id;

/** The attempt of a run that this entry finished. */
const doneOf = ({ emitted }: Entry, run_id: string): EmittedOf<'agent_invoke_done'> | undefined =>
  emitted.filter((one) => one.type === 'agent_invoke_done').find((one) => one.run_id === run_id);

const leaves = (entry: Entry): boolean => entry.emitted.some(({ type }) => type === 'control_changed');

/** Whether the message stays in the mailbox because the AI does not have the floor: there is no telling when it is answered. */
function stays(session: Session, message_id: string): boolean {
  const { queue } = session.snapshot.context as SessionContext;
  return queue.some(({ id }) => id === message_id) && view(session).control !== 'automated';
}
