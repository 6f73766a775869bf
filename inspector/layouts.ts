// The project's own charts, laid out while the page is built: a visitor needs ELK only for charts that the page has not seen.
import type { Plugin } from 'vite';
import { machines } from '../machines/index.ts';
import { elkHere } from '../src/diagram/elk.ts';
import { chartGraph } from '../src/diagram/graph.ts';
import { layOut } from '../src/diagram/layout.ts';
import { digest, LARGE, outline } from './src/chart/outline.ts';

const INDEX = 'virtual:layouts';
const ONE = 'virtual:layout/';

/** Serves `virtual:layouts`: from the digest of a chart to a function that imports its layout. */
export function layouts(): Plugin {
  const charts = Object.values(machines).map((machine) => chartGraph(machine));
  const placing = new Map([
    ...charts.map((graph) => [digest(graph), () => layOut(graph, elkHere())] as const),
    ...charts.map(outline).map((graph) => [digest(graph), () => layOut(graph, elkHere(), LARGE)] as const),
  ]);
  return {
    name: 'troupe-layouts',
    resolveId: (id) => (id === INDEX || id.startsWith(ONE) ? `\0${id}` : undefined),
    async load(id) {
      if (id === `\0${INDEX}`) {
        const lines = [...placing.keys()].map((key) => `${JSON.stringify(key)}: () => import('${ONE}${key}'),`);
        return `export default {${lines.join('\n')}};`;
      }
      if (!id.startsWith(`\0${ONE}`)) return;
      const layout = await placing.get(id.slice(ONE.length + 1))!();
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(layout))});`;
    },
  };
}
