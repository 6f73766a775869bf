// Orchestrators over HTTP: list them and their tools, run one within the request, run one as a job.
import { z } from 'zod';
import { priorities } from '../../../machines/job/events.ts';
import { token } from '../../../machines/session/events.ts';
import { jobView } from '../../jobs/view.ts';
import { envelope } from '../../orchestration/envelope.ts';
import type { Troupe } from '../../troupe.ts';
import { failedWork } from './problems.ts';
import { type App, idempotencyKeyOf, leaving, tenantOf } from './requests.ts';

const tags = ['orchestrators'];
const params = z.object({ name: token });
const orchestratorView = z.object({
  name: z.string(),
  version: z.string(),
  description: z.string(),
  payload: z.unknown().describe('the JSON schema of what it takes'),
});
const toolView = z.object({
  name: z.string(),
  description: z.string(),
  parameters: z.unknown().describe('the JSON schema of what it takes'),
  client: z.boolean().describe('it runs at the caller'),
});
const jobOptions = z.strictObject({
  priority: z.enum(priorities).optional(),
  delay_ms: z.coerce.number().pipe(z.int().min(0)).optional().describe('how long it waits before it may begin'),
});

export function orchestratorRoutes(app: App, troupe: Troupe): void {
  app.get(
    '/v1/orchestrators',
    {
      schema: {
        tags,
        summary: 'The orchestrators',
        response: { 200: z.object({ orchestrators: z.array(orchestratorView) }) },
      },
    },
    async () => ({ orchestrators: troupe.orchestrators.list() }),
  );

  app.get(
    '/v1/tools',
    {
      schema: {
        tags,
        summary: 'The tools that are declared',
        response: { 200: z.object({ tools: z.array(toolView) }) },
      },
    },
    async () => ({ tools: troupe.tools.list() }),
  );

  app.post(
    '/v1/orchestrators/:name',
    {
      schema: {
        tags,
        summary: 'Run an orchestrator and wait for its envelope; the body is its payload',
        params,
        body: z.unknown(),
        response: { 200: envelope },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request);
      const idempotencyKey = idempotencyKeyOf(request);
      const signal = leaving(reply);
      const { name } = request.params;
      return troupe.run(name, request.body, { tenant, signal, idempotencyKey }).catch((error) => {
        throw failedWork(error);
      });
    },
  );

  app.post(
    '/v1/orchestrators/:name/jobs',
    {
      schema: {
        tags,
        summary: 'Have an orchestrator run later, as a job; the body is its payload',
        params,
        querystring: jobOptions,
        body: z.unknown(),
        response: { 202: jobView },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request);
      const key = idempotencyKeyOf(request);
      const options = { tenant, key, ...request.query };
      const { job_id } = await troupe.enqueue(request.params.name, request.body, options);
      const location = `/v1/jobs/${job_id}`;
      return reply
        .code(202)
        .header('location', location)
        .send(await troupe.jobs.get(job_id, { tenant }));
    },
  );
}
