// Whether this process is alive, and whether it should be given work: what load balancers and supervisors of processes ask.
import { z } from 'zod';
import type { Troupe } from '../troupe.ts';
import type { App } from './requests.ts';

const health = z.object({
  status: z.enum(['ok', 'unavailable']),
  state: z.string().describe("the states of the node's chart, e.g. `serving.normal`"),
  reason: z.string().nullable(),
});
const responses = { 200: health, 503: health };

export function healthRoutes(app: App, { orchestrator }: Troupe): void {
  const told = (well: boolean): z.infer<typeof health> => {
    const { value, context } = orchestrator.actor.getSnapshot();
    const state = typeof value === 'string' ? value : Object.entries(value)[0]!.join('.');
    return { status: well ? 'ok' : 'unavailable', state, reason: context.reason };
  };
  const ready = () => orchestrator.actor.getSnapshot().hasTag('ready');
  const alive = () => !orchestrator.actor.getSnapshot().matches('failed');

  for (const [url, summary, well] of [
    ['/health', 'Whether this node takes work', ready],
    ['/readyz', 'The same', ready],
    ['/livez', 'Whether this process is worth keeping', alive],
  ] as const)
    app.get(url, { schema: { tags: ['node'], summary, response: responses } }, async (_, reply) =>
      reply.code(well() ? 200 : 503).send(told(well())),
    );
}
