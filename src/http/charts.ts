// The charts that run here, as data for whoever draws them.
import { machines } from '../../machines/index.ts';
import { chartGraph } from '../diagram/graph.ts';
import type { App } from './requests.ts';

export function chartRoutes(app: App): void {
  const graphs = Object.entries(machines).map(([name, machine]) => [name, chartGraph(machine)]);
  // Charts do not change while they run.
  const body = JSON.stringify({ machines: Object.fromEntries(graphs) });
  app.get(
    '/v1/machines',
    { schema: { tags: ['node'], summary: 'Every chart: its states and transitions' } },
    async (_, reply) => reply.type('application/json; charset=utf-8').send(body),
  );
}
