// What a state's box says of the fleet: how many sessions are in it, and how long they usually stay.
import type { ComponentType } from 'react';
import type { Machine } from '../api.ts';
import { idsByState, partOf } from '../chart/active.ts';
import { useShown } from '../frames.ts';
import { span, whole } from '../words.ts';
import { byNode, quantile, type States } from './census.ts';
import type { Fleet } from './live.ts';

/** The figures of one fleet, as a component for the chart. Every box renders only when its own figures changed. */
export function figures(fleet: Fleet, machine: Machine): ComponentType<{ id: string }> {
  const idsOf = idsByState(machine);
  // All boxes ask in the same frame: what the census means for the chart is worked out once.
  let of: States | undefined;
  let counts: ReadonlyMap<string, number> = new Map();
  const countOf = (states: States, id: string): number => {
    if (states !== of) {
      counts = byNode(states, idsOf);
      of = states;
    }
    return counts.get(id) ?? 0;
  };
  return function Figures({ id }) {
    const count = useShown(fleet.moment, ({ states }) => countOf(states, id));
    const part = partOf(machine, id) ?? '';
    const median = useShown(fleet.view, (view) => {
      const dwell = view?.dwell[part];
      return dwell && quantile(dwell, 0.5);
    });
    return (
      <span className="figure" data-testid={`count-${id}`} data-count={count} data-some={count > 0}>
        <b>{whole(count)}</b>
        {median !== undefined && (
          <>
            {' · '}
            <span className="dwell">
              <span className="hidden">half of them stay at most </span>
              {span(median)}
            </span>
          </>
        )}
      </span>
    );
  };
}
