// Liveness and readiness of this process, for load balancers and supervisors.
import { z } from 'zod';
import { stateName } from '../../../machines/state-name.ts';
import { grades } from '../../fleet/health.ts';
import type { Troupe } from '../../troupe.ts';
import { type App, tenantOf } from './requests.ts';

const health = z.object({
  status: z.enum(['ok', 'unavailable']),
  state: z.string().describe("the states of the node's chart, e.g. `serving.normal`"),
  reason: z.string().nullable(),
});
const responses = { 200: health, 503: health };

const grade = z.enum(grades);
const part = z.object({
  name: z.string(),
  status: grade,
  value: z.number().optional(),
  limit: z.number().optional(),
  unit: z.string().optional(),
  detail: z.string().optional(),
});
const agentsHealth = z.object({
  healthy_agents: z.int(),
  unhealthy_agents: z.int().describe('those that no instance of can be called'),
  total_agents: z.int(),
  system_health: grade.describe(
    '`degraded` when more than half of the agents are unhealthy, `warning` when something is',
  ),
});
const whole = health.extend({
  system_health: grade.describe('as bad as the worst part'),
  agents: agentsHealth,
  resources: z.array(part).readonly().describe('memory, event loop, disk'),
  dependencies: z.array(part).readonly().describe('journal, NATS'),
});

export function healthRoutes(app: App, troupe: Troupe): void {
  const { orchestrator } = troupe;
  const told = (well: boolean): z.infer<typeof health> => {
    const { value, context } = orchestrator.actor.getSnapshot();
    return { status: well ? 'ok' : 'unavailable', state: stateName(value), reason: context.reason };
  };
  const ready = () => orchestrator.actor.getSnapshot().hasTag('ready');
  const alive = () => !orchestrator.actor.getSnapshot().matches('failed');

  for (const [url, summary, well] of [
    ['/readyz', 'Whether this node takes work', ready],
    ['/livez', 'Whether this process is worth keeping', alive],
  ] as const)
    app.get(url, { schema: { tags: ['node'], summary, response: responses } }, async (_, reply) =>
      reply.code(well() ? 200 : 503).send(told(well())),
    );

  app.get(
    '/health',
    {
      schema: {
        tags: ['node'],
        summary: 'The same, and how its agents, resources and dependencies are',
        response: { 200: whole, 503: whole },
      },
    },
    async (request, reply) =>
      reply.code(ready() ? 200 : 503).send({ ...told(ready()), ...(await troupe.health.view(tenantOf(request))) }),
  );

  app.get(
    '/agents/health',
    { schema: { tags: ['agents'], summary: 'How many agents can be called', response: { 200: agentsHealth } } },
    async (request) => {
      const tenant = tenantOf(request);
      return { ...troupe.health.agents(tenant), system_health: (await troupe.health.view(tenant)).system_health };
    },
  );
}
