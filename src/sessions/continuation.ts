// The answer to what a run asked, and everything its session tells until the run has something to say again.

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

/** How far back a question is looked for, in entries. */
const NEAR = 200;

/** The question of that id, open or answered lately; undefined when none of the last entries asked it. */
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
 * Has `act` done and yields what the session tells from after an entry on, until `run_id` answers, asks again, fails or is left:
 * that event comes last, as `settled`. Rejects as `act` does, and with `Overrun` when the listener was too slow; ends early when
 * the signal is aborted or the node stops. An entry that was told before `act` is told too, so that a repeated answer gets the same.
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
  // The feed listens from its first step on.
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
