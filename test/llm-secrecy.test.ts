// One run of everything, with keys on every level: no line that anybody can read has one in plain.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { defineAgent } from '../src/agents/define.ts';
import { sqliteJournal } from '../src/journal/sqlite.ts';
import { generateKey, readKey, seal } from '../src/llm/secret.ts';
import { EVENTS, event, serveAgent } from './agent-server.ts';
import { openDoor } from './door.ts';
import { KEY, scriptedModel } from './llm.ts';

const TENANT_KEY = KEY.replace('Tr0upe', 'T3nant');
const USER_KEY = KEY.replace('Tr0upe', 'us3rs0');
const KEYS = [KEY, TENANT_KEY, USER_KEY];
// Whole, or the half of it that would do to guess the rest.
const traces = (text: string) =>
  KEYS.flatMap((key) => [key, key.slice(0, 30), key.slice(-30)]).filter((one) => text.includes(one));

test('keys are in no log line, journal entry, file, error, HTTP answer or call of an agent elsewhere', async () => {
  const encryption = generateKey();
  process.env.TROUPE_ENCRYPTION_KEY = encryption;
  onTestFinished(() => void delete process.env.TROUPE_ENCRYPTION_KEY);
  const lines: string[] = [];
  const sink = new Writable({
    write: (chunk, _, done) => {
      lines.push(String(chunk));
      done();
    },
  });
  const folder = await mkdtemp(join(tmpdir(), 'troupe-secrecy-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const bodies: unknown[] = [];
  await using far = await serveAgent((response, body) => {
    bodies.push(body);
    response.writeHead(200, EVENTS).end(event('done', { final_message: 'far here' }));
  });

  // A server that repeats every key it is sent, in words and in the middle of a stream.
  const echoed = ({ headers }: { headers: { authorization?: string } }) => `You sent ${headers.authorization}`;
  const answers = [
    (request: any) => ({ status: 400, message: echoed(request) }),
    (request: any) => ({ status: 401, message: echoed(request) }),
    (request: any) => ({ status: 500, body: `<pre>${echoed(request)}</pre>` }),
    (request: any) => ({ raw: [`data: ${JSON.stringify({ error: { message: echoed(request) } })}\n\n`] }),
    () => 'all is well',
  ];
  let turn = 0;
  const server = await scriptedModel((request) => answers[turn++ % answers.length]!(request), {});
  const sealed = (key: string) => seal(key, readKey(encryption), { tenant: 'acme' });
  const door = await openDoor({
    agents: [
      defineAgent({ id: 'model', kind: 'llm', triggers: ['think'], instructions: 'Help.' }),
      defineAgent({ id: 'far', kind: 'http', triggers: ['far'], endpoints: [{ id: 'a', url: far.url }] }),
    ],
    routing: 'hybrid',
    journal: sqliteJournal({ path: join(folder, 'troupe.db') }),
    log: pino({ level: 'trace' }, sink),
    settings: { attempts: 1 },
    llm: {
      founder: { base_url: server.url, api_key: KEY, model: 'm' },
      tenants: { acme: { api_key: sealed(TENANT_KEY) } },
    },
  });
  const { troupe } = door;

  const seen: string[] = [];
  const see = (value: unknown) => void seen.push(JSON.stringify(value) ?? '');
  const userConfig = { id: 'ann', llm: { api_key: sealed(USER_KEY) } };
  for (const tenant of ['default', 'acme'])
    for (const session of ['s1', 's2', 's3']) {
      const config = tenant === 'acme' && session === 's2' ? { userConfig } : {};
      const born = { session_id: session, config: { llm: { api_key: sealed(USER_KEY) } } };
      if (tenant === 'acme' && session === 's3')
        expect((await door.post('/v1/sessions', born, { headers: { 'x-tenant-id': tenant } })).status).toBe(201);
      const handle = await troupe.startSession({ session, tenant, ...config });
      for (let times = 0; times < answers.length; times += 1)
        for (const words of ['think', 'far', 'who answers this?']) see(await handle.send(words).catch(String));
      const headers = { 'x-tenant-id': tenant };
      for (const path of ['', '/messages?view=full', '/messages?view=llm', '/journal'])
        see((await door.get(`/v1/sessions/${session}${path}`, { headers })).body);
      for (let times = 0; times < answers.length; times += 1) {
        const body = { model: 'm', messages: [{ role: 'user', content: 'x' }], stream: times % 2 === 0 };
        const reply = await door.post('/v1/chat/completions', body, { headers });
        see([...reply.headers]);
        see(reply.body);
      }
      const refused = { config: { llm: { api_key: KEY } } };
      see((await door.post('/v1/sessions', refused, { headers })).body);
      for (const path of ['/v1/agents', '/v1/models', '/v1/budgets', '/metrics', '/health'])
        see((await door.get(path, { headers })).body);
    }
  // Every key was in use, and the server has said it.
  const sent = new Set(server.requests.map(({ headers }) => headers.authorization?.replace('Bearer ', '')));
  expect([...sent].sort()).toEqual([...KEYS].sort());
  expect(seen.join('\n')).toContain('all is well');
  expect(bodies.length).toBeGreaterThan(5);

  await door.close();
  const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'latin1')));
  for (const text of [...seen, ...lines, ...files]) expect(traces(text)).toEqual([]);
  // Agents elsewhere, and models, do not even see the encrypted one.
  for (const body of [...bodies, ...server.requests.map(({ body }) => body)])
    expect(JSON.stringify(body)).not.toContain('enc:v1:');
  expect(JSON.stringify(bodies)).toContain('"id":"ann"');
});
