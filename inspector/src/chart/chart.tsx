// A statechart to look at and move in: boxes and arrows where the layout put them, lit by what is active and what was just taken.
import { Background, Controls, ReactFlow, ReactFlowProvider, useReactFlow, useStore } from '@xyflow/react';
import { type ComponentType, useEffect, useMemo, useState } from 'react';
import type { ChartGraph } from '../../../src/diagram/graph.ts';
import type { Layout } from '../../../src/diagram/layout.ts';
import { Arrow, type ArrowEdge } from './arrow.tsx';
import { Box, type BoxNode } from './box.tsx';
import { type Lights, Lit } from './lights.ts';
import { LARGE, outline } from './outline.ts';
import { place } from './place.ts';
import '@xyflow/react/dist/base.css';
import './chart.css';

export interface ChartProps {
  readonly graph: ChartGraph;
  /** Only its outline, larger: see `outline`. */
  readonly brief?: boolean;
  /** Ids of the active states; undefined when the chart stands for no single machine. */
  readonly active?: ReadonlySet<string>;
  /** Names of the arrows that the last event took, and a number that changes with it. */
  readonly taken?: { readonly arrows: ReadonlySet<string>; readonly n: number };
  /** What is written in a state's box instead of its lines. */
  readonly Figures?: ComponentType<{ id: string }>;
  readonly selected?: string;
  readonly onState?: (id: string) => void;
}

const nodeTypes = { box: Box };
const edgeTypes = { arrow: Arrow };
const PRO = { hideAttribution: false };

export function Chart({ graph, brief = false, active, taken, Figures, selected, onState }: ChartProps) {
  const [layout, setLayout] = useState<Layout>();
  const [broken, setBroken] = useState<string>();
  useEffect(() => {
    let wanted = true;
    (brief ? place(outline(graph), LARGE) : place(graph)).then(
      (placed) => wanted && setLayout(placed),
      (error: Error) => wanted && setBroken(error.message),
    );
    return () => {
      wanted = false;
    };
  }, [graph, brief]);
  const lights: Lights = useMemo(
    () => ({ graph, active, taken, Figures, selected, onState }),
    [graph, active, taken, Figures, selected, onState],
  );
  if (broken) return <p role="alert">The chart cannot be laid out: {broken}</p>;
  return (
    <section className={brief ? 'chart brief' : 'chart'} aria-label={`Statechart ${graph.id}`}>
      {layout ? (
        <Lit value={lights}>
          <ReactFlowProvider>
            <Canvas layout={layout} />
          </ReactFlowProvider>
        </Lit>
      ) : (
        <p className="quiet waiting">Laying out…</p>
      )}
    </section>
  );
}

function Canvas({ layout }: { readonly layout: Layout }) {
  const nodes = useMemo(() => layout.boxes.map(nodeOf), [layout]);
  const edges = useMemo(() => layout.arrows.map(edgeOf), [layout]);
  return (
    <ReactFlow
      nodes={nodes}
      edges={edges}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      nodesDraggable={false}
      nodesConnectable={false}
      nodesFocusable={false}
      edgesFocusable={false}
      elementsSelectable={false}
      disableKeyboardA11y
      elevateNodesOnSelect={false}
      minZoom={0.1}
      maxZoom={2}
      fitView
      fitViewOptions={FIT}
      proOptions={PRO}
    >
      <Background gap={24} size={1} />
      <Controls showInteractive={false} />
      <Refit layout={layout} />
    </ReactFlow>
  );
}

const FIT = { padding: 0.04, maxZoom: 1.1 };

/** Shows all of the chart again when another one comes, or the room for it changes. */
function Refit({ layout }: { readonly layout: Layout }) {
  const { fitView } = useReactFlow();
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  useEffect(() => {
    if (layout.boxes.length > 0 && width > 0 && height > 0) void fitView(FIT);
  }, [layout, width, height, fitView]);
  return null;
}

// Surrounding states lie below the arrows, simple ones above.
const nodeOf = (box: Layout['boxes'][number]): BoxNode => {
  const surrounds = box.kind === 'compound' || box.kind === 'parallel';
  const { width, height } = box;
  return {
    id: box.id,
    type: 'box',
    position: { x: box.x, y: box.y },
    width,
    height,
    style: { width, height },
    zIndex: surrounds ? box.depth - 100 : 1,
    data: { box },
  };
};

const edgeOf = (arrow: Layout['arrows'][number], index: number): ArrowEdge => ({
  id: String(index),
  type: 'arrow',
  source: arrow.source,
  target: arrow.target,
  ariaLabel: describe(arrow),
  data: { arrow },
});

/** An arrow as it is read out. */
function describe({ edges, source, target }: Layout['arrows'][number]): string {
  const short = (id: string) => id.split('.').at(-1);
  const labels = [...new Set(edges.map(({ label }) => label))].join(', ');
  return `${short(source)} to ${short(target)}${labels && `: ${labels}`}`;
}
