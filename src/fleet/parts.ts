// The parts of a state as people name it: `human.held/idle` is in `human`, in `human.held` and in `idle`.

// As many as the chart has configurations.
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

/** From one state to another: where each part of the new one was in the old one, or -1; and the parts that were left. */
export interface Change {
  readonly kept: readonly number[];
  readonly left: readonly (readonly [index: number, part: string])[];
}

// As many as a chart has ways between configurations.
const changes = new Map<string | undefined, Map<string, Change>>();

/** What changes on the way from one state to another; from nothing, when a session comes to be. */
export function changeOf(from: string | undefined, to: string): Change {
  const known = changes.get(from)?.get(to);
  if (known) return known;
  const [old, parts] = [from === undefined ? [] : partsOf(from), partsOf(to)];
  const left = old.map((part, index) => [index, part] as const).filter(([, part]) => !parts.includes(part));
  const change = { kept: parts.map((part) => old.indexOf(part)), left };
  changes.set(from, (changes.get(from) ?? new Map()).set(to, change));
  return change;
}
