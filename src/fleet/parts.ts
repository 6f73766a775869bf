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
