// The spending of a session on models, read back from its journal.
import type { Spending } from '../../machines/budget/events.ts';
import type { Entry } from '../journal/journal.ts';

/** Number of entries to read, from the newest. */
export const NEAR = 500;

/**
 * Sums the usage of model replies in these entries since a time (ms since the epoch), with the time of the first one.
 */
export function spentSince(
  entries: readonly Entry[],
  from: number,
): (Spending & { readonly since: number }) | undefined {
  const replies = entries
    .filter(({ at }) => at > from)
    .flatMap(({ at, emitted }) =>
      emitted.flatMap((one) => (one.type === 'model_replied' ? [{ at, usage: one.usage ?? {} }] : [])),
    );
  const [first] = replies;
  if (!first) return undefined;
  const total = (amount: (usage: (typeof replies)[number]['usage']) => number | undefined) =>
    replies.reduce((sum, { usage }) => sum + (amount(usage) ?? 0), 0);
  return {
    since: first.at,
    calls: replies.length,
    tokens: total(({ total_tokens }) => total_tokens),
    cost_usd: total(({ cost_usd }) => cost_usd),
  };
}
