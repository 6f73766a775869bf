// Where everything of a chart goes: known since the build, or found by ELK in a worker that is loaded when it is first needed.
import known from 'virtual:layouts';
import type { ELK } from 'elkjs/lib/elk-api.js';
import type { ChartGraph } from '../../../src/diagram/graph.ts';
import { type Form, type Layout, layOut } from '../../../src/diagram/layout.ts';
import { digest } from './outline.ts';

const placed = new Map<string, Promise<Layout>>();
let worker: Promise<ELK> | undefined;

/** The layout of a chart; found once. `form` is how it is always drawn. */
export function place(graph: ChartGraph, form?: Form): Promise<Layout> {
  const key = digest(graph);
  const found = placed.get(key) ?? find(graph, key, form);
  placed.set(key, found);
  found.catch(() => placed.delete(key));
  return found;
}

async function find(graph: ChartGraph, key: string, form?: Form): Promise<Layout> {
  const ready = known[key];
  if (ready) return (await ready()).default;
  worker ??= elk();
  return layOut(graph, await worker, form);
}

async function elk(): Promise<ELK> {
  const [{ default: Elk }, { default: url }] = await Promise.all([
    import('elkjs/lib/elk-api.js'),
    import('elkjs/lib/elk-worker.min.js?url'),
  ]);
  return new Elk({ workerFactory: () => new Worker(url) });
}
