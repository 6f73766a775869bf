// The library's handle of one session.
import type { Orchestrator } from '../../actors/orchestrator.ts';
import type { TranscriptMessage, View } from '../../actors/transcript.ts';
import type { SessionView } from '../../actors/view.ts';
import type { BodyInput } from '../../machines/session/events.ts';
import type { Emitted } from '../emitted/emitted.ts';
import type { Key } from '../journal/journal.ts';
import type { Conversations, SendOptions } from './conversations.ts';
import { type FeedItem, type FeedOptions, feed } from './feed.ts';
import type { Outcome } from './outcome.ts';
import { parseBody } from './parse-body.ts';
import { turn } from './turn.ts';

/** The services a handle uses. */
export interface Reach {
  readonly orchestrator: Orchestrator;
  readonly conversations: Conversations;
}

/** An item of a streamed turn (B8). */
export type StreamEvent =
  | { readonly type: 'message_chunk'; readonly text: string; readonly run_id: string; readonly offset: number }
  | {
      readonly type: 'state_change';
      readonly state: string;
      readonly event: string;
      readonly emitted: readonly Emitted[];
    }
  | ({ readonly type: 'outcome' } & Outcome);

/** A handle of one session. All methods reject with `Refused` if the session's state does not allow them. */
export class SessionHandle {
  readonly key: Key;
  readonly #reach: Reach;

  constructor(reach: Reach, key: Key) {
    this.#reach = reach;
    this.key = key;
  }

  get id(): string {
    return this.key.session;
  }

  /** Sends a message; resolves with the answer, or with the question or state that prevents one. */
  async send(content: string, options: SendOptions & { agent_id?: string; flow?: string } = {}): Promise<Outcome> {
    const { agent_id, flow, ...rest } = options;
    return this.#conversations.send(this.key, parseBody('message', { content, agent_id, flow }), rest);
  }

  /** Sends a message and yields the run's events, its outcome last. */
  async *stream(
    content: string,
    options: SendOptions & { agent_id?: string; flow?: string } = {},
  ): AsyncGenerator<StreamEvent, void, undefined> {
    const { agent_id, flow, ...rest } = options;
    const { orchestrator } = this.#reach;
    const items = turn(
      orchestrator,
      this.#conversations,
      this.key,
      parseBody('message', { content, agent_id, flow }),
      rest,
    );
    for await (const item of items) {
      if (item.type === 'outcome') yield { type: 'outcome', ...item.outcome };
      else if (item.type !== 'accepted') yield streamEvent(item);
    }
  }

  async pause(body: BodyInput<'pause'> = {}): Promise<SessionView> {
    return this.#conversations.command(this.key, 'pause', parseBody('pause', body));
  }

  async resume(body: BodyInput<'resume'> = {}): Promise<SessionView> {
    return this.#conversations.command(this.key, 'resume', parseBody('resume', body));
  }

  async isPaused(): Promise<boolean> {
    return (await this.state()).control === 'paused';
  }

  /** Gives the floor to a person: after this resolves, no further delta of the AI reaches the user. */
  async takeOver(body: BodyInput<'takeover'>): Promise<SessionView> {
    return this.#conversations.command(this.key, 'takeover', parseBody('takeover', body));
  }

  async inject(body: BodyInput<'inject'>): Promise<SessionView> {
    return this.#conversations.command(this.key, 'inject', parseBody('inject', body));
  }

  async release(body: BodyInput<'release'> = {}): Promise<SessionView> {
    return this.#conversations.command(this.key, 'release', parseBody('release', body));
  }

  async approve(body: BodyInput<'approve'>): Promise<SessionView> {
    return this.#conversations.command(this.key, 'approve', parseBody('approve', body));
  }

  /** Submits the result of a tool that the caller ran. */
  async toolResult(body: BodyInput<'tool_result'>): Promise<SessionView> {
    return this.#conversations.command(this.key, 'tool_result', parseBody('tool_result', body));
  }

  async cancel(body: BodyInput<'cancel'> = {}): Promise<SessionView> {
    return this.#conversations.command(this.key, 'cancel', parseBody('cancel', body));
  }

  async close(body: BodyInput<'close'> = {}): Promise<SessionView> {
    return this.#conversations.command(this.key, 'close', parseBody('close', body));
  }

  async state(): Promise<SessionView> {
    return this.#conversations.view(this.key);
  }

  async history(which: View = 'full'): Promise<TranscriptMessage[]> {
    return this.#conversations.messages(this.key, which);
  }

  /** Yields entries and deltas after an entry, until `signal` aborts. */
  events(options?: FeedOptions): AsyncGenerator<FeedItem, void, undefined> {
    return feed(this.#reach.orchestrator, this.key, options);
  }

  get #conversations(): Conversations {
    return this.#reach.conversations;
  }
}

function streamEvent(item: FeedItem): StreamEvent {
  if (item.type === 'part') {
    const { text, run_id, offset } = item.part;
    return { type: 'message_chunk', text, run_id, offset };
  }
  const { state, event, emitted } = item.entry;
  return { type: 'state_change', state, event: event.type, emitted };
}
