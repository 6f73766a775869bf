// The feed of a session: its entries in order and the deltas of the streaming answer, without any delta of an ended attempt.
import type { Orchestrator } from '../../actors/orchestrator.ts';
import type { Part } from '../../actors/parts.ts';
import type { Entry, Key, Stored } from '../journal/journal.ts';

export type FeedItem =
  | { readonly type: 'entry'; readonly entry: Entry }
  /** A delta of the open answer; it replaces the text from its `offset` on. */
  | { readonly type: 'part'; readonly part: Part };

export interface FeedOptions {
  /** Number of the last entry to skip. Default 0: all entries. */
  readonly after?: number;
  readonly signal?: AbortSignal;
  /** Items that may wait for a slow consumer before the feed ends with `Overrun`; it can be resumed from the last id. */
  readonly buffer?: number;
}

/** Entries per read of the journal. */
const PAGE = 500;

/** The consumer was too slow and should resume from its last id. */
export class Overrun extends Error {
  override name = 'Overrun';
}

/**
 * Follows a session. Entries come once each and in order; deltas only of the run that the last entry left open, so that no delta
 * follows a takeover. Ends when `signal` aborts, or the node stops.
 */
export async function* feed(
  orchestrator: Orchestrator,
  key: Key,
  { after = 0, signal, buffer = 1_000 }: FeedOptions = {},
): AsyncGenerator<FeedItem, void, undefined> {
  const waiting: FeedItem[] = [];
  let wake: (() => void) | undefined;
  let overrun = false;
  let ended = false;
  const push = (item: FeedItem): void => {
    if (item.type === 'entry' && breaksOff(item.entry)) drop(waiting);
    // Drops every item after the first lost one, or the consumer would resume from an id behind the gap.
    if (overrun) return;
    const last = waiting.at(-1);
    if (item.type === 'part' && last?.type === 'part' && follows(last.part, item.part))
      waiting[waiting.length - 1] = { type: 'part', part: { ...last.part, text: last.part.text + item.part.text } };
    else if (waiting.length >= buffer) overrun = true;
    else waiting.push(item);
    wake?.();
  };
  const aborted = (): void => wake?.();
  const unfollow = orchestrator.journal.follow(key, (_, { entry }) => push({ type: 'entry', entry }));
  const unlisten = orchestrator.listen(key, (part) => push({ type: 'part', part }));
  const unstop = orchestrator.onStop(() => {
    ended = true;
    wake?.();
  });
  signal?.addEventListener('abort', aborted);
  try {
    let n = after;
    let open = undefined as string | undefined;
    let since = 0;
    const took = (entry: Entry): void => {
      n = entry.n;
      open = openRun(entry);
      if (begins(entry)) since = n;
    };
    for (let past = [] as Stored[], full = true; full; full = past.length === PAGE) {
      past = await orchestrator.journal.read(key, n + 1, PAGE);
      for (const { entry } of past) {
        if (signal?.aborted) return;
        took(entry);
        yield { type: 'entry', entry };
      }
    }
    // A consumer that resumes may have all entries and still lack the beginning of the streaming answer.
    if (n === after) open = openRun((await orchestrator.journal.last(key))?.entry);
    const late = await orchestrator.openAnswer(key);
    const begun = late && `${late.run_id}#${late.attempt}`;
    // A waiting entry may already have ended that attempt.
    const over = waiting.some((item) => item.type === 'entry' && item.entry.n > n && breaksOff(item.entry));
    if (late && begun === open && !over) {
      drop(waiting);
      yield { type: 'part', part: late };
    }
    for (;;) {
      if (signal?.aborted) return;
      const item = waiting.shift();
      if (!item) {
        if (overrun) throw new Overrun('the listener was too slow; resume from the last id');
        if (ended) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      } else if (item.type === 'entry') {
        if (item.entry.n <= n) continue;
        took(item.entry);
        yield item;
      } else if (`${item.part.run_id}#${item.part.attempt}` === open && item.part.entry >= since) yield item;
    }
  } finally {
    signal?.removeEventListener('abort', aborted);
    unfollow();
    unlisten();
    unstop();
  }
}

/** Whether an attempt begins with this entry, also again in another process: older deltas are not part of it. */
const begins = ({ event, emitted }: Entry): boolean =>
  event.type === 'recovered' || emitted.some(({ type }) => type === 'agent_invoke_started');

/** The attempt that an entry leaves running. */
function openRun(entry: Entry | undefined): string | undefined {
  const context = entry?.snapshot.context as { id?: string; run?: { n: number; attempt: number } | null } | undefined;
  if (!entry?.state.endsWith('running.attempting') || !context?.run) return;
  return `${context.id}-r${context.run.n}#${context.run.attempt}`;
}

/** Whether the entry ends the streaming answer unfinished, by takeover, retry or cancellation. */
const breaksOff = (entry: Entry): boolean =>
  entry.event.type !== 'message' && !entry.emitted.some(({ type }) => type === 'agent_invoke_done');

const follows = (before: Part, part: Part): boolean =>
  before.run_id === part.run_id &&
  before.attempt === part.attempt &&
  before.offset + before.text.length === part.offset;

/** Drops the waiting deltas: their answer has ended. */
function drop(waiting: FeedItem[]): void {
  for (let index = waiting.length - 1; index >= 0; index -= 1)
    if (waiting[index]!.type === 'part') waiting.splice(index, 1);
}
