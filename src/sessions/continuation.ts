// Answers an open question of a run, and yields the session's events until the run has its next outcome.

import type { Orchestrator } from '../../actors/orchestrator.ts';
import type { EmittedOf } from '../emitted/emitted.ts';
import { isOutcome, type RunOutcome } from '../emitted/run.ts';
import type { Entry, Key } from '../journal/journal.ts';
import type { Conversations } from './conversations.ts';
import { type FeedItem, feed } from './feed.ts';

export type ContinuationItem =
  | FeedItem
  | { readonly type: 'settled'; readonly entry: Entry; readonly told: RunOutcome };

export interface Question {
  readonly run_id: string;
  /** What asked: the event as it was told. */
  readonly asked: EmittedOf<'approval_requested' | 'tool_requested'>;
  /** The entry that asked. */
  readonly n: number;
}

/** Entries that are searched for a question, from the last one back. */
const NEAR = 200;

/** The question of that id, open or recently answered; undefined if it is not among the last entries. */
export async function questionOf({ journal }: Orchestrator, key: Key, id: string): Promise<Question | undefined> {
  for (const { entry } of (await journal.tail(key, NEAR)).reverse())
    for (const asked of entry.emitted)
      if (
        (asked.type === 'approval_requested' && asked.approval === id) ||
        (asked.type === 'tool_requested' && asked.call === id)
      )
        return { run_id: asked.run_id, asked, n: entry.n };
  return undefined;
}

/**
 * Runs `act` and yields the session's feed after an entry, until `run_id` answers, asks again, fails or is suspended: that event
 * comes last, as `settled`. Rejects as `act` does, and with `Overrun` if the consumer was too slow; ends early if the signal
 * aborts or the node stops. The feed begins after the question's entry, before `act`, so that a repeated answer gets the same
 * items.
 */
export async function* continuation(
  orchestrator: Orchestrator,
  key: Key,
  { run_id, n: after }: Pick<Question, 'run_id' | 'n'>,
  act: (conversations: Conversations) => Promise<unknown>,
  { conversations, signal, buffer }: { conversations: Conversations; signal: AbortSignal; buffer?: number },
): AsyncGenerator<ContinuationItem, void, undefined> {
  const stop = new AbortController();
  const items = feed(orchestrator, key, { after, buffer, signal: AbortSignal.any([signal, stop.signal]) });
  // The feed subscribes at its first step, which must precede `act`.
  let next = items.next();
  try {
    await act(conversations);
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      yield value;
      const told = value.type === 'entry' && value.entry.emitted.filter(isOutcome).find((one) => one.run_id === run_id);
      if (told) return yield { type: 'settled', entry: value.entry, told };
      next = items.next();
    }
  } finally {
    stop.abort();
    await next.catch(() => {});
  }
}
