// One streamed turn: sends a message and yields the session's feed until the message's outcome.
import type { Orchestrator } from '../../actors/orchestrator.ts';
import type { Body } from '../../machines/session/events.ts';
import type { Key } from '../journal/journal.ts';
import type { Accepted, Conversations, SendOptions } from './conversations.ts';
import { type FeedItem, type FeedOptions, feed } from './feed.ts';
import type { Outcome } from './outcome.ts';

export type TurnItem =
  | ({ readonly type: 'accepted' } & Accepted)
  | FeedItem
  | { readonly type: 'outcome'; readonly outcome: Outcome };

/**
 * Sends a message and yields the session's items: `accepted` first, the outcome last. Throws `Refused` if the message was not
 * accepted, `Overrun` if the consumer was too slow, and the signal's reason if it aborted; in the last two cases the message
 * stays accepted.
 */
export async function* turn(
  orchestrator: Orchestrator,
  conversations: Conversations,
  key: Key,
  body: Body<'message'>,
  options: SendOptions & Pick<FeedOptions, 'buffer'> = {},
): AsyncGenerator<TurnItem, void, undefined> {
  const stop = new AbortController();
  const after = (await orchestrator.journal.last(key))?.entry.n ?? 0;
  const items = feed(orchestrator, key, { after, buffer: options.buffer, signal: stop.signal });
  // The feed subscribes at its first step, which must precede the message.
  let next = items.next();
  const accepted = Promise.withResolvers<Accepted>();
  let outcome: Outcome | undefined;
  const settled = conversations.send(key, body, { ...options, accepted: accepted.resolve }).then((told) => {
    outcome = told;
  });
  settled.catch(ignore);
  try {
    // Settling without `accepted` means a refusal, which this rethrows.
    await Promise.race([accepted.promise, settled]);
    yield { type: 'accepted', ...(await accepted.promise) };
    // The outcome and its entry arrive in the same tick, in either order; a repeated message has no entry of its own.
    for (let n = after; outcome === undefined || n < outcome.state.entry; ) {
      const step = await (outcome ? next : Promise.race([next, settled]));
      if (!step) continue;
      if (step.done) return;
      yield step.value;
      if (step.value.type === 'entry') n = step.value.entry.n;
      next = items.next();
    }
    yield { type: 'outcome', outcome };
  } finally {
    stop.abort();
    await next.catch(ignore);
  }
}

const ignore = (): void => {};
