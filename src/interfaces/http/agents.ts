// Agents over HTTP: register and deregister them, read their health, receive their heartbeats.
import { z } from 'zod';
import type { Registered } from '../../../machines/registry/events.ts';
import { token } from '../../../machines/session/events.ts';
import { Refused } from '../../platform/errors.ts';
import { heartbeat } from '../../routing/heartbeats.ts';
import type { Troupe } from '../../troupe.ts';
import { heartbeatSubject } from '../nats/subjects.ts';
import { type App, tenantOf } from './requests.ts';
import { agentView } from './shapes.ts';

const tags = ['agents'];
const params = z.object({ agent_id: token });
const url = z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' });
const weight = z.number().positive();
const phrases = z.array(z.string().min(1).max(1_000)).max(1_000);

const registration = z
  .strictObject({
    agent_id: token,
    endpoint: url.optional().describe('of one instance; it joins those that the agent has'),
    instance_id: token.optional().describe('names the instance at `endpoint`; `1` unless told'),
    weight: weight.optional().describe('of the instance at `endpoint`'),
    endpoints: z
      .array(z.strictObject({ id: token, url, weight: weight.optional() }))
      .min(1)
      .max(1_000)
      .optional()
      .describe('all instances; others that the agent had are forgotten'),
    description: z.string().max(10_000).optional(),
    triggers: phrases.optional(),
    capabilities: phrases.optional(),
    fallbacks: z.array(token).max(100).optional(),
  })
  .refine(({ endpoint, endpoints }) => (endpoint === undefined) !== (endpoints === undefined), {
    path: ['endpoint'],
    message: 'give either `endpoint`, the URL of one instance, or `endpoints`',
  })
  .refine(({ endpoints = [] }) => new Set(endpoints.map(({ id }) => id)).size === endpoints.length, {
    path: ['endpoints'],
    message: 'ids must differ',
  });

export function agentRoutes(app: App, troupe: Troupe): void {
  const viewOf = (tenant: string, agent_id: string) => {
    const agent = troupe.pool.get(tenant, agent_id);
    if (!agent) throw new Refused('unknown_agent', `there is no agent "${agent_id}"`, 404);
    return agent.view();
  };

  app.post(
    '/v1/agents/register',
    { schema: { tags, summary: 'Register an agent behind HTTP', body: registration, response: { 201: agentView } } },
    async (request, reply) => {
      const { agent_id, endpoint, instance_id = '1', weight, endpoints, ...described } = request.body;
      const tenant = tenantOf(request);
      const one = endpoint === undefined ? [] : [{ id: instance_id, url: endpoint, ...(weight && { weight }) }];
      const agent: Registered = { agent_id, kind: 'http', ...described, endpoints: endpoints ?? one };
      await troupe.registerAgent(tenant, agent, { join: endpoints === undefined });
      return reply.code(201).send(viewOf(tenant, agent_id));
    },
  );

  app.get(
    '/v1/agents',
    {
      schema: { tags, summary: 'The agents of a tenant', response: { 200: z.object({ agents: z.array(agentView) }) } },
    },
    async (request) => ({ agents: troupe.pool.list(tenantOf(request)) }),
  );

  app.get(
    '/v1/agents/:agent_id',
    { schema: { tags, summary: 'An agent and its instances', params, response: { 200: agentView } } },
    async (request) => viewOf(tenantOf(request), request.params.agent_id),
  );

  app.post(
    '/v1/agents/:agent_id/heartbeat',
    { schema: { tags, summary: 'An instance says that it is well', params, body: heartbeat } },
    async (request, reply) => {
      const [tenant, { agent_id }] = [tenantOf(request), request.params];
      troupe.heartbeats.note(tenant, agent_id, request.body);
      // Each node judges the health of agents by itself, so the heartbeat is published to the others.
      if (troupe.cluster) troupe.transport.publish(heartbeatSubject(tenant, agent_id), JSON.stringify(request.body));
      return reply.code(204).send();
    },
  );

  app.delete(
    '/v1/agents/:agent_id',
    { schema: { tags, summary: 'Forget an agent that registered, or made itself known by a heartbeat', params } },
    async (request, reply) => {
      await troupe.deregisterAgent(tenantOf(request), request.params.agent_id);
      return reply.code(204).send();
    },
  );
}
