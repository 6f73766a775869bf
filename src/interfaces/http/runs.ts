// Runs over HTTP, and the agents at work on them.
import { z } from 'zod';
import type { Troupe } from '../../troupe.ts';
import { type App, tenantOf } from './requests.ts';
import { active, runView } from './shapes.ts';

export function runRoutes(app: App, troupe: Troupe): void {
  app.get(
    '/v1/runs/:run_id',
    {
      schema: {
        tags: ['runs'],
        summary: 'How a run stands',
        params: z.object({ run_id: z.string() }),
        response: { 200: runView },
      },
    },
    async (request) => (await troupe.conversations.run(tenantOf(request), request.params.run_id)).run,
  );

  app.get(
    '/v1/active',
    { schema: { tags: ['runs'], summary: 'The agents at work in this process', response: { 200: active } } },
    async (request) => ({ agents: await troupe.active(tenantOf(request)) }),
  );
}
