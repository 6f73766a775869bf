// The text of guards, actions and delays in a drawing.

/** A guard in XState's representation: a name, a name with params, or the result of `and`, `or`, `not` or `stateIn`. */
type Guard =
  | string
  | { readonly type: string }
  | (((...args: never[]) => unknown) & { readonly guards?: readonly Guard[]; readonly stateValue?: unknown });

export function guardText(guard: unknown): string {
  const it = guard as Guard;
  if (typeof it === 'string') return it;
  if (typeof it === 'object') return it.type;
  if (it.stateValue !== undefined) return `in ${statesText(it.stateValue)}`;
  const parts = it.guards ?? [];
  if (it.name === 'not') return `not ${inner(parts[0]!)}`;
  if (it.name === 'and' || it.name === 'or') return parts.map(inner).join(` ${it.name} `);
  return 'inline';
}

// Parentheses around every nested composite, so that the reader needs no operator precedence.
function inner(guard: Guard): string {
  const composite = typeof guard === 'function' && (guard.name === 'and' || guard.name === 'or');
  return composite ? `(${guardText(guard)})` : guardText(guard);
}

function statesText(value: unknown): string {
  if (typeof value === 'string') return value.replace(/^#/, '');
  return Object.entries(value as object)
    .map(([key, below]) => (Object.keys(below).length > 0 ? `${key}.${statesText(below)}` : key))
    .join(' and ');
}

/** The name of an action; for one of XState's own, its effect. */
export function actionText(action: unknown): string {
  if (typeof action === 'string') return action;
  const { type, event } = action as { type?: string; event?: { type?: string } };
  if (type === undefined) return 'inline';
  return [type.replace(/^xstate\./, ''), event?.type].filter(Boolean).join(' ');
}

/** The name of a delay, or its length. */
export function delayText(delay: unknown): string {
  if (typeof delay !== 'number') return String(delay);
  if (delay >= 60_000 && delay % 60_000 === 0) return `${delay / 60_000} min`;
  if (delay >= 1000 && delay % 1000 === 0) return `${delay / 1000} s`;
  return `${delay} ms`;
}
