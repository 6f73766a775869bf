// The parts of a state: `human.held/idle` is in `human`, in `human.held` and in `idle`.

// Cache; bounded by the chart's configurations.
const known = new Map<string, readonly string[]>();

/** Every `/`-separated part of a state and the outer levels of each, outermost first. */
export function partsOf(state: string): readonly string[] {
  const before = known.get(state);
  if (before) return before;
  const parts = state.split('/').flatMap((part) => {
    const levels = part.split('.');
    return levels.map((_, level) => levels.slice(0, level + 1).join('.'));
  });
  known.set(state, parts);
  return parts;
}

/** A change of state: per part of the new state its index in the old one, or -1; and the parts that were left. */
export interface Change {
  readonly kept: readonly number[];
  readonly left: readonly (readonly [index: number, part: string])[];
}

// Cache; bounded by the pairs of the chart's configurations.
const changes = new Map<string | undefined, Map<string, Change>>();

/** The change from one state to another; `from` is undefined at a session's creation. */
export function changeOf(from: string | undefined, to: string): Change {
  const known = changes.get(from)?.get(to);
  if (known) return known;
  const [old, parts] = [from === undefined ? [] : partsOf(from), partsOf(to)];
  const left = old.map((part, index) => [index, part] as const).filter(([, part]) => !parts.includes(part));
  const change = { kept: parts.map((part) => old.indexOf(part)), left };
  changes.set(from, (changes.get(from) ?? new Map()).set(to, change));
  return change;
}
