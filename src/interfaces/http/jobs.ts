// Jobs over HTTP: list, read, cancel and retry them.
import { z } from 'zod';
import { token } from '../../../machines/session/events.ts';
import { jobStates, jobView } from '../../jobs/view.ts';
import type { Troupe } from '../../troupe.ts';
import { type App, tenantOf } from './requests.ts';

const tags = ['jobs'];
const params = z.object({ job_id: token });
const by = z.string().min(1).max(200).optional();
const bodies = {
  cancel: z.strictObject({ by, reason: z.string().max(2_000).optional() }),
  retry: z.strictObject({ by }),
} as const;

export function jobRoutes(app: App, { jobs }: Troupe): void {
  app.get(
    '/v1/jobs',
    {
      schema: {
        tags,
        summary: 'The jobs of a tenant; `state=dead` are those that were given up',
        querystring: z.strictObject({
          state: z.enum(jobStates).optional(),
          limit: z
            .string()
            .regex(/^\d{1,4}$/, 'must be a whole number')
            .transform(Number)
            .pipe(z.int().min(1).max(1_000))
            .optional()
            .describe('100 unless told'),
          cursor: token.optional().describe('`next_cursor` of the page before'),
        }),
        response: { 200: z.object({ jobs: z.array(jobView), next_cursor: z.string().optional() }) },
      },
    },
    async (request) => {
      const { state, limit, cursor } = request.query;
      const { jobs: page, next } = await jobs.list({ tenant: tenantOf(request), state, limit, after: cursor });
      return { jobs: page.map(({ result: _, ...job }) => job), ...(next !== undefined && { next_cursor: next }) };
    },
  );

  app.get(
    '/v1/jobs/:job_id',
    {
      schema: {
        tags,
        summary: 'How a job stands, with its envelope once it is done',
        params,
        response: { 200: jobView },
      },
    },
    async (request) => jobs.get(request.params.job_id, { tenant: tenantOf(request) }),
  );

  app.post(
    '/v1/jobs/:job_id/cancel',
    {
      schema: { tags, summary: 'End a job that is not done', params, body: bodies.cancel, response: { 200: jobView } },
    },
    async (request) => jobs.cancel(request.params.job_id, { tenant: tenantOf(request), ...request.body }),
  );

  app.post(
    '/v1/jobs/:job_id/retry',
    {
      schema: {
        tags,
        summary: 'Try a dead or cancelled job again',
        params,
        body: bodies.retry,
        response: { 200: jobView },
      },
    },
    async (request) => jobs.retry(request.params.job_id, { tenant: tenantOf(request), ...request.body }),
  );
}
