// Draws every chart into its folder, as Mermaid, as SVG and as an overview; with --check, lists the drawings that are stale.

import { readFileSync, writeFileSync } from 'node:fs';
import type { AnyStateMachine } from 'xstate';
import { machines } from '../machines/index.ts';
import { chartGraph } from '../src/diagram/graph.ts';
import { mermaid } from '../src/diagram/mermaid.ts';
import { overview } from '../src/diagram/overview.ts';
import { svg } from '../src/diagram/svg.ts';

interface Drawing {
  readonly path: string;
  readonly content: string;
}

const ORIGIN = 'Drawn from machine.ts by scripts/diagrams.ts';

const drawings = (await Promise.all(Object.entries(machines).map(([name, machine]) => draw(name, machine)))).flat();

if (process.argv.includes('--check')) {
  const stale = drawings.filter(({ path, content }) => read(path) !== content);
  for (const { path } of stale) console.error(`stale: ${path}`);
  if (stale.length > 0) console.error('Draw them again: node scripts/diagrams.ts');
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const { path, content } of drawings) writeFileSync(place(path), content);
}

async function draw(name: string, machine: AnyStateMachine): Promise<Drawing[]> {
  const graph = chartGraph(machine);
  return [
    { path: `machines/${name}/diagram.mmd`, content: `%% ${ORIGIN}\n${mermaid(graph)}` },
    { path: `machines/${name}/diagram.svg`, content: `<!-- ${ORIGIN} -->\n${await svg(graph)}` },
    { path: `machines/${name}/overview.svg`, content: `<!-- ${ORIGIN} -->\n${await overview(graph)}` },
  ];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(place(path), 'utf8');
  } catch {
    return undefined;
  }
}

function place(path: string): URL {
  return new URL(`../${path}`, import.meta.url);
}
