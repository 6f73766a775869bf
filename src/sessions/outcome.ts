// The outcome of a message, and waiting for it.
import { moved, type Orchestrator } from '../../actors/orchestrator.ts';
import type { Session } from '../../actors/session.ts';
import { type RunEvent, runEventsOf } from '../../actors/transcript.ts';
import { type SessionView, view } from '../../actors/view.ts';
import type { SessionContext } from '../../machines/session/events.ts';
import type { Emitted, Entry, Key } from '../journal/journal.ts';

/** The outcome of a message: immediate if it waits for a person or a resumption, else when its run answers, asks or ends. */
export interface Outcome {
  readonly status:
    | 'done'
    | 'awaiting_input'
    | 'awaiting_approval'
    | 'awaiting_tool'
    | 'accepted'
    | 'suspended'
    | 'failed'
    | 'cancelled';
  readonly run_id: string;
  readonly message_id: string;
  readonly agent_id: string | null;
  readonly answer: string | null;
  readonly trace: readonly RunEvent[];
  readonly error?: { readonly code: string; readonly message: string; readonly retry_after_s?: number };
  /** The approval or tool call that the run waits for. */
  readonly question?: Emitted;
  readonly state: SessionView;
}

/** The `message_accepted` event of this entry. */
export const acceptedOf = (entry: Entry, message_id: string): Emitted =>
  entry.emitted.find((one) => one.type === 'message_accepted' && one.message_id === message_id)!;

/** Outcome status by the emitted event that settles a run. */
export const outcomes: Record<string, Outcome['status'] | undefined> = {
  run_done: 'done',
  run_failed: 'failed',
  run_cancelled: 'cancelled',
  run_suspended: 'suspended',
  input_requested: 'awaiting_input',
  approval_requested: 'awaiting_approval',
  tool_requested: 'awaiting_tool',
};

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
    this.#run_id = acceptedOf(accepted, message_id).run_id as string;
    // A repeated message may already have its answer.
    const past = duplicate ? await this.#orchestrator.journal.read(this.#key, accepted.n) : [];
    // Entries received during the read may be in its result too.
    const read = past.at(-1)?.entry.n ?? accepted.n - 1;
    const entries = [...past.map(({ entry }) => entry), ...this.#received.filter(({ n }) => n > read)];
    for (const entry of entries) {
      const outcome = this.#take(entry, session);
      if (outcome) return outcome;
    }
    if (stays(session, message_id)) return this.#outcome('accepted', session);
    return new Promise((resolve, reject) => {
      // The node stops: the message stays in the journal, and the node that wakes the session answers it.
      this.#stop = () => resolve(this.#outcome('accepted', session));
      this.#moved = () => reject(moved(this.#key));
      if (this.#signal?.aborted) reject(this.#signal.reason);
      this.#signal?.addEventListener('abort', () => reject(this.#signal!.reason), { once: true });
      this.#onEntry = (entry) => {
        const outcome =
          this.#take(entry, session) ??
          (leaves(entry) && stays(session, message_id) ? this.#outcome('accepted', session) : undefined);
        if (outcome) resolve(outcome);
      };
    });
  }

  #take(entry: Entry, session: Session): Outcome | undefined {
    this.#trace.push(...runEventsOf(entry, this.#run_id).filter(({ type }) => type !== 'agent_stream_delta'));
    for (const one of entry.emitted) {
      if (one.message_id !== this.#message_id) continue;
      // From here on another message's run answers both.
      if (one.type === 'run_joined') {
        this.#message_id = one.by as string;
        this.#run_id = one.into as string;
      }
      const status = outcomes[one.type];
      if (status) return this.#outcome(status, session, entry, one);
    }
    return;
  }

  #outcome(status: Outcome['status'], session: Session, entry?: Entry, told?: Emitted): Outcome {
    const done = entry?.emitted.find((one) => one.type === 'agent_invoke_done' && one.run_id === this.#run_id);
    const { code, message, retry_after_s } = (told ?? {}) as { code: string; message: string; retry_after_s?: number };
    return {
      status,
      run_id: this.#run_id,
      message_id: this.#message_id,
      agent_id: (told?.agent_id ?? null) as string | null,
      answer: (done?.final_message ?? told?.prompt ?? null) as string | null,
      trace: this.#trace,
      ...(status === 'failed' && { error: { code, message, retry_after_s } }),
      ...(status === 'cancelled' && { error: { code: 'cancelled', message: told?.reason as string } }),
      ...((status === 'awaiting_approval' || status === 'awaiting_tool') && { question: told }),
      state: view(session),
    };
  }
}

const leaves = (entry: Entry): boolean => entry.emitted.some(({ type }) => type === 'control_changed');

/** Whether the message stays in the mailbox because the AI does not have the floor: there is no telling when it is answered. */
function stays(session: Session, message_id: string): boolean {
  const { queue } = session.snapshot.context as SessionContext;
  return queue.some(({ id }) => id === message_id) && view(session).control !== 'automated';
}
