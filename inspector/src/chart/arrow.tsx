// A transition in a chart: its way, its head, and what it says.
import { BaseEdge, type Edge, EdgeLabelRenderer, type EdgeProps } from '@xyflow/react';
import { memo } from 'react';
import type { Arrow as Place } from '../../../src/diagram/layout.ts';
import { arrowName } from './active.ts';
import { useLights } from './lights.ts';

export type ArrowEdge = Edge<{ readonly arrow: Place }, 'arrow'>;

export const Arrow = memo(function Arrow({ id, data }: EdgeProps<ArrowEdge>) {
  const { taken, active } = useLights();
  const { kind, points, source, target, label } = data!.arrow;
  const lit = taken?.arrows.has(arrowName(source, target));
  const way = rounded(points);
  const from = source.replace(/ initial$/, '');
  const tone = lit ? ' taken' : active && !active.has(from) ? ' resting' : '';
  return (
    <>
      <BaseEdge id={id} path={way} className={`arrow on-${kind}${tone}`} interactionWidth={0} />
      <path className={`tip on-${kind}${tone}`} d="M0 0l-8 -4v8z" transform={tip(points)} />
      {lit && <path key={taken!.n} className="pulse" d={way} />}
      {label && (
        <EdgeLabelRenderer>
          <div
            className={`label${tone}`}
            style={{ transform: `translate(${label.x}px,${label.y}px)`, width: label.width }}
          >
            {label.lines.map((row, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a label never move
              <span key={index} className="row">
                {row.map(({ role, kind: of, text }) => (
                  <span key={role} className={`${role} on-${of}`}>
                    {text}
                  </span>
                ))}
              </span>
            ))}
          </div>
        </EdgeLabelRenderer>
      )}
    </>
  );
});

type Points = Place['points'];

function tip(points: Points): string {
  const end = points.at(-1)!;
  const before = points.at(-2)!;
  const angle = (Math.atan2(end.y - before.y, end.x - before.x) * 180) / Math.PI;
  return `translate(${end.x} ${end.y}) rotate(${angle})`;
}

/** A path with its corners cut round. */
function rounded(points: Points): string {
  return points
    .map((point, index) => {
      const last = points[index - 1];
      const next = points[index + 1];
      if (!last) return `M${point.x} ${point.y}`;
      if (!next) return `L${point.x} ${point.y}`;
      const into = towards(point, last);
      const out = towards(point, next);
      return `L${into.x} ${into.y}Q${point.x} ${point.y} ${out.x} ${out.y}`;
    })
    .join('');
}

function towards(from: Points[number], to: Points[number]): Points[number] {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const part = length === 0 ? 0 : Math.min(6, length / 2) / length;
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
}
