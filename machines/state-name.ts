// How a state value is written as one line, wherever states are listed, logged or asked for.
import type { StateValue } from 'xstate';

/**
 * Active states as one line: regions apart by `/`, levels by `.`, as in `automated/running.attempting` and
 * `available.busy`. The names of regions, and a lone level around them, are left out.
 */
export function stateName(value: StateValue): string {
  if (typeof value === 'string') return value;
  const regions = Object.entries(value);
  if (regions.length > 1) return regions.map(([region, inner]) => levelsOf(inner!) || region).join('/');
  const [, inner] = regions[0]!;
  return typeof inner === 'object' && Object.keys(inner).length > 1 ? stateName(inner) : levelsOf(value);
}

/** The outermost level of a part: `human` of `human.held`. */
export const outerLevel = (part: string): string => part.split('.', 1)[0]!;

const levelsOf = (value: StateValue): string =>
  typeof value === 'string'
    ? value
    : Object.entries(value)
        .map(([name, inner]) => [name, levelsOf(inner!)].filter(Boolean).join('.'))
        .join('/');
