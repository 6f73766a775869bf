// The OpenAPI document of the HTTP interface, generated from the schemas that the routes validate with.
import swagger from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { version } from '../../platform/version.ts';
import type { App } from './requests.ts';

/** Must be registered before the routes, because it collects them as they are added. */
export async function openapi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Troupe',
        version,
        description:
          'Conversations and the agents that answer in them. Errors are RFC 9457 problem documents with a stable `code`. ' +
          'The header `X-Tenant-Id` names the tenant (`default` otherwise); `Idempotency-Key` makes a repeated POST to a session harmless.',
      },
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  let document: string | undefined;
  app.get('/openapi.json', { schema: { hide: true } as object }, async (_, reply) => {
    document ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').send(document);
  });
}
