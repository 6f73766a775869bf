// One message through the whole pipeline of `POST /orchestrate` (E9).

import { orchestrateBody, orchestrated } from '../../orchestration/orchestrate.ts';
import { Failed } from '../../platform/errors.ts';
import type { Troupe } from '../../troupe.ts';
import { failedWork } from './problems.ts';
import { type App, idempotencyKeyOf, leaving, tenantOf } from './requests.ts';

export function orchestrateRoutes(app: App, troupe: Troupe): void {
  app.post(
    '/orchestrate',
    {
      schema: {
        tags: ['orchestrators'],
        summary: 'Give a message to the agents that are for it, one or several, and get one answer',
        body: orchestrateBody,
        response: { 200: orchestrated },
      },
    },
    async (request, reply) => {
      // The header names the tenant; without it the body may, and the same rule validates it.
      const named = request.headers['x-tenant-id'] ?? request.body.tenant;
      const tenant = tenantOf({ headers: { ...request.headers, 'x-tenant-id': named } });
      const options = { tenant, signal: leaving(reply), idempotencyKey: idempotencyKeyOf(request) };
      const made = await troupe.orchestrate(request.body, options);
      if (!made.error) return made;
      // The problem's status is sent as the HTTP status, not in the body.
      const { error, status: _, ...told } = made;
      const { code, message, retry_after_s } = error;
      throw failedWork(new Failed(code, message, false, { retry_after_s }), told);
    },
  );
}
