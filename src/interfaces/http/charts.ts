// The charts of this runtime as data for viewers, and one transition of any of them computed on request.
import { z } from 'zod';
import type { Effect } from '../../../actors/durable.ts';
import { chartView } from '../../charts/charts.ts';
import { type Tried, tryOut } from '../../charts/sandbox.ts';
import type { Emitted } from '../../emitted/emitted.ts';
import type { Troupe } from '../../troupe.ts';
import type { App } from './requests.ts';
import { transitions } from './shapes.ts';

const tags = ['machines'];
const value = z.union([z.string().max(1_000), z.record(z.string(), z.unknown())]);
const effect = z.looseObject({
  type: z.enum(['invoke', 'stop', 'timer', 'cancel', 'action']),
  id: z.string(),
}) as unknown as z.ZodType<Effect>;
const emitted = z.looseObject({ type: z.string() }) as unknown as z.ZodType<Emitted>;

const trial = z.strictObject({
  input: z.unknown().optional().describe('what it begins with, where there is no snapshot; a sample unless given'),
  snapshot: z
    .strictObject({ value, context: z.unknown().optional(), status: z.enum(['active', 'done', 'error']).optional() })
    .optional()
    .describe('where it stands: what the step before answered'),
  event: z.looseObject({ type: z.string().min(1).max(1_000) }).optional(),
});

const tried: z.ZodType<Tried> = z.object({
  snapshot: z.object({ value: z.unknown(), context: z.unknown(), status: z.enum(['done', 'error']).optional() }),
  state: z.string(),
  active: z.array(z.string()).describe('ids of nodes in `GET /v1/machines`'),
  effects: z.array(effect),
  emitted: z.array(emitted),
  transitions: transitions.describe('what the step took, in this order'),
  changed: z.boolean().describe('false: the event is not taken here'),
  allowed: z.array(z.string()).describe('types that the active states listen to'),
  input: z.unknown().optional().describe('what it began with'),
});

export function chartRoutes(app: App, { charts }: Troupe): void {
  // Charts are fixed while a process runs, so the response is serialized once.
  let body: string | undefined;
  app.get(
    '/v1/machines',
    { schema: { tags, summary: 'Every chart: its states and transitions, its events and their schemas' } },
    async (_, reply) => {
      body ??= JSON.stringify({ machines: Object.fromEntries(charts.list().map((one) => [one.name, chartView(one)])) });
      return reply.type('application/json; charset=utf-8').send(body);
    },
  );

  app.post(
    '/v1/machines/:name/step',
    {
      schema: {
        tags,
        summary: 'Try one event on a chart: where it leads and what it asks for; nothing is performed or remembered',
        params: z.object({ name: z.string().max(200) }),
        body: trial,
        response: {
          200: tried,
        },
      },
    },
    async (request) => {
      const { snapshot, ...rest } = request.body;
      const { status, ...stands } = snapshot ?? {};
      const dump = snapshot && { ...stands, ...(status !== 'active' && { status }) };
      return tryOut(charts.get(request.params.name), { ...rest, snapshot: dump as never });
    },
  );
}
