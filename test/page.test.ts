// How the inspector's page is served: from files that a build made, and from nowhere else.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { built } from '../src/interfaces/http/page-build.ts';
import { silent } from '../src/platform/log.ts';
import { type Door, openDoor } from './door.ts';

const SCRIPT = `console.log(${JSON.stringify('word '.repeat(500))});`;

function build(files: Record<string, string | Buffer>): string {
  const folder = mkdtempSync(join(tmpdir(), 'page-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'assets'));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text);
  return folder;
}

const open = (page: string): Promise<Door> => openDoor({}, { page });

/** As it is on the wire: fetch would decode it. */
function raw(url: string, headers: Record<string, string>) {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
    request(url, { headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    })
      .on('error', reject)
      .end();
  });
}

test('the page is never kept, what has a hash in its name is kept for ever', async () => {
  const { get, url } = await open(build({ 'index.html': '<!doctype html>', 'assets/index-1a2b.js': SCRIPT }));
  const index = await get('/inspector/');
  expect(index.status).toBe(200);
  expect(index.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(index.headers.get('cache-control')).toBe('no-cache');
  const script = await get('/inspector/assets/index-1a2b.js');
  expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  const again = await raw(`${url}/inspector/`, { 'if-none-match': index.headers.get('etag')! });
  expect(again.status).toBe(304);
});

test('the page may load nothing from elsewhere and may not be framed', async () => {
  const { get } = await open(build({ 'index.html': '<!doctype html>' }));
  const { headers } = await get('/inspector/');
  const policy = headers.get('content-security-policy')!;
  expect(policy).toContain("default-src 'self'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/https?:|unsafe-eval|script-src[^;]*unsafe/);
});

test('/inspector leads to /inspector/', async () => {
  const { url } = await open(build({ 'index.html': '<!doctype html>' }));
  const { status, headers } = await raw(`${url}/inspector`, {});
  expect([status, headers.location]).toEqual([308, 'inspector/']);
});

test('files are compressed as the browser likes, those compressed by the build as they are', async () => {
  const beside = gzipSync('made by the build');
  const page = build({ 'index.html': '<!doctype html>', 'assets/a-1.js': SCRIPT, 'assets/b-2.js': SCRIPT });
  writeFileSync(join(page, 'assets/b-2.js.gz'), beside);
  const { url } = await open(page);
  const brotli = await raw(`${url}/inspector/assets/a-1.js`, { 'accept-encoding': 'gzip, br' });
  expect(brotli.headers['content-encoding']).toBe('br');
  expect(brotliDecompressSync(brotli.body).toString()).toBe(SCRIPT);
  expect(brotli.headers.vary).toBe('accept-encoding');
  const gzipped = await raw(`${url}/inspector/assets/a-1.js`, { 'accept-encoding': 'gzip' });
  expect(gunzipSync(gzipped.body).toString()).toBe(SCRIPT);
  const plain = await raw(`${url}/inspector/assets/a-1.js`, {});
  expect(plain.body.toString()).toBe(SCRIPT);
  expect((await raw(`${url}/inspector/assets/b-2.js`, { 'accept-encoding': 'gzip' })).body).toEqual(beside);
  expect((await raw(`${url}/inspector/assets/b-2.js.gz`, {})).status).toBe(404);
});

test('nothing beside the build is served', async () => {
  const page = build({ 'index.html': '<!doctype html>' });
  writeFileSync(join(page, '..', 'secret.txt'), 'secret');
  const { url } = await open(page);
  for (const path of ['../secret.txt', '%2e%2e/secret.txt', '..%2fsecret.txt', 'assets', 'missing.js'])
    expect((await raw(`${url}/inspector/${path}`, {})).status, path).toBe(404);
});

test('a page that is built anew while the service runs is served anew', async () => {
  const page = build({ 'index.html': 'first' });
  const { get } = await open(page);
  expect((await get('/inspector/')).body).toBe('first');
  writeFileSync(join(page, 'index.html'), 'second');
  utimesSync(join(page, 'index.html'), new Date(), new Date(Date.now() + 5_000));
  expect((await get('/inspector/')).body).toBe('second');
});

test('where the page is not built, the answer says how to', async () => {
  const { get } = await open(build({}));
  const { status, body } = await get('/inspector/');
  expect(status).toBe(503);
  expect(body).toMatchObject({ code: 'inspector_not_built', detail: expect.stringContaining('npm run build') });
});

test('in a checkout it is built when it is first asked for, once, and again only when it is stale', {
  timeout: 120_000,
}, async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'page-')), 'inspector');
  onTestFinished(() => rmSync(join(folder, '..'), { recursive: true }));
  const said: unknown[] = [];
  const log = { ...silent, info: (...told: unknown[]) => void said.push(told) };
  await Promise.all([built(folder, log), built(folder, log)]);
  expect(readFileSync(join(folder, 'index.html'), 'utf8')).toContain('<title>Troupe inspector</title>');
  await built(folder, log);
  expect(said).toHaveLength(1);
  // Nothing is left beside it.
  expect(readdirSync(join(folder, '..'))).toEqual(['inspector']);
  utimesSync(join(folder, 'index.html'), new Date(0), new Date(0));
  await built(folder, log);
  expect(said).toHaveLength(2);
});
