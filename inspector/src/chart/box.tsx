// A state in a chart: its name, and what is said of it.
import { Handle, type Node, type NodeProps, Position } from '@xyflow/react';
import { memo } from 'react';
import type { Box as Place } from '../../../src/diagram/layout.ts';
import { useLights } from './lights.ts';
import { ROOM } from './outline.ts';

export type BoxNode = Node<{ readonly box: Place }, 'box'>;

export const Box = memo(function Box({ data: { box } }: NodeProps<BoxNode>) {
  const { graph, active, Figures, selected, onState } = useLights();
  const { id, kind, region, passing, title, lines, depth } = box;
  if (kind === 'initial') return <Dot />;
  const names = [
    'box',
    kind,
    region && 'region',
    passing && 'passing',
    depth % 2 === 1 && 'odd',
    active && (active.has(id) ? 'active' : 'resting'),
    selected === id && 'selected',
  ];
  const content = (
    <>
      <span className="title">{title}</span>
      {kind === 'history' || (Figures && passing) ? null : Figures ? (
        <span className="line">
          <Figures id={id} />
        </span>
      ) : (
        lines.filter(said).map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the same line may come twice, and they never move
          <span className="line" key={index}>
            {line}
          </span>
        ))
      )}
    </>
  );
  const reacts = onState && id !== graph.id && kind !== 'history' && !passing;
  return (
    <div className={names.filter(Boolean).join(' ')} data-testid={`state-${id}`} data-active={active?.has(id)}>
      <Ends />
      {reacts ? (
        <button
          type="button"
          className="head nodrag nopan"
          onClick={() => onState(id)}
          aria-pressed={selected === id}
          title={id.slice(graph.id.length + 1)}
        >
          {content}
        </button>
      ) : (
        <div className="head">{content}</div>
      )}
    </div>
  );
});

/** What an outline keeps free for figures is not to be read. */
const said = (line: string): boolean => line !== `entry / ${ROOM}`;

const Dot = () => (
  <div className="dot">
    <Ends />
  </div>
);

/** React Flow draws an arrow only between handles; where it runs is the layout's. */
const Ends = () => (
  <>
    <Handle type="source" position={Position.Right} isConnectable={false} />
    <Handle type="target" position={Position.Left} isConnectable={false} />
  </>
);
