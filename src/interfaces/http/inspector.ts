// The inspector at `/inspector`: a page that uses the public HTTP interface only.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refused } from '../../platform/errors.ts';
import type { Troupe } from '../../troupe.ts';
import { builtAt, FOLDER, type PageFile, pageFiles } from './page.ts';
import { built, notBuilt } from './page-build.ts';
import type { App } from './requests.ts';

/** Allows only this origin and no inline script. Drawings need style attributes on their elements. */
const POLICY = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "worker-src 'self'",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  vary: 'accept-encoding',
};
const FOR_EVER = 'public, max-age=31536000, immutable';

/** Serves the page. `folder` is where the page was built, if not in the package. */
export function inspectorRoutes(app: App, { log }: Troupe, folder = FOLDER): void {
  let files: ReadonlyMap<string, PageFile> = new Map();
  let read: number | undefined;
  /** The current files; the page may have been rebuilt since they were read. */
  const page = (): ReadonlyMap<string, PageFile> => {
    const made = builtAt(folder);
    if (made === undefined) throw notBuilt();
    if (made !== read) files = pageFiles(folder);
    read = made;
    return files;
  };

  app.get(
    '/inspector',
    { schema: { tags: ['node'], summary: 'The inspector: charts, sessions and agents, live, in a browser' } },
    // A relative redirect also works behind a proxy that serves this interface below a path of its own.
    async (_, reply) => reply.redirect('inspector/', 308),
  );

  app.get('/inspector/*', { schema: { hide: true } as object }, async (request, reply) => {
    const path = (request.params as { '*': string })['*'] || 'index.html';
    if (path === 'index.html' && folder === FOLDER) await built(folder, log);
    const file = page().get(path);
    if (!file) throw new Refused('not_found', `the inspector has no file ${path}`, 404);
    return send(request, reply, file);
  });
}

async function send(request: FastifyRequest, reply: FastifyReply, file: PageFile): Promise<FastifyReply> {
  reply.headers(HEADERS);
  reply.header('cache-control', file.immutable ? FOR_EVER : 'no-cache');
  reply.header('etag', file.etag);
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
  const { body, encoding } = await file.body(String(request.headers['accept-encoding'] ?? ''));
  if (encoding) reply.header('content-encoding', encoding);
  return reply.type(file.type).send(body);
}
