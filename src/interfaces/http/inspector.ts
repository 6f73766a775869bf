// The inspector at `/inspector`: a page that uses nothing but the interface that everybody has.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refused } from '../../platform/errors.ts';
import type { Troupe } from '../../troupe.ts';
import { builtAt, FOLDER, type PageFile, pageFiles } from './page.ts';
import { built, notBuilt } from './page-build.ts';
import type { App } from './requests.ts';

/** Nothing from elsewhere, no script in the page itself. Drawings need styles on their elements. */
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

/** `folder` is where a page was built that is not the package's own. */
export function inspectorRoutes(app: App, { log }: Troupe, folder = FOLDER): void {
  let files: ReadonlyMap<string, PageFile> = new Map();
  let read: number | undefined;
  /** The build as it lies there now; it may have been made anew since it was read. */
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
    // Relative, so that it also holds behind a proxy that serves this below a path of its own.
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
