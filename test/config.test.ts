// The configuration: what goes before what, and what is said of everything that is wrong.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../src/config/config.ts';

/** A folder with these files in it. */
async function folder(files: Record<string, string> = {}): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'troupe-config-'));
  onTestFinished(() => rm(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

const load = async (env: Record<string, string> = {}, files: Record<string, string> = {}) =>
  loadConfig({ env, cwd: await folder(files) });

const refused = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => Promise.reject(new Error(`was taken: ${JSON.stringify(value)}`)),
    (error) => {
      expect(error).toMatchObject({ name: 'Refused', code: 'bad_config' });
      return error.message;
    },
  );

test('without any it serves this machine only, on SQLite', async () => {
  const cwd = await folder();
  expect(await loadConfig({ env: {}, cwd })).toEqual({
    host: '127.0.0.1',
    port: 8080,
    database: { kind: 'sqlite', path: join(cwd, '.troupe/troupe.db') },
    log_level: 'info',
    troupe: { settings: {}, pool: { breaker: {}, checks: { interval_ms: 30_000 } } },
  });
});

test('the environment says where and how', async () => {
  const config = await load({
    HTTP_HOST: '0.0.0.0',
    HTTP_PORT: '9000',
    DATABASE_URL: 'memory:',
    INGRESS_URL: 'http://gateway:7000/in',
    AGENT_TIMEOUT_MS: '1500',
    DRAIN_TIMEOUT_MS: '45000',
    LOG_LEVEL: 'debug',
  });
  expect(config).toMatchObject({
    host: '0.0.0.0',
    port: 9000,
    database: { kind: 'memory' },
    ingress_url: 'http://gateway:7000/in',
    log_level: 'debug',
    troupe: { settings: { attempt_ms: 1500 }, drain_ms: 45_000 },
  });
});

test.each([
  ['data/x.db', '/work/data/x.db'],
  ['/var/x.db', '/var/x.db'],
  ['sqlite:data/x.db', '/work/data/x.db'],
  ['sqlite:/var/x.db', '/var/x.db'],
  ['sqlite://data/x.db', '/work/data/x.db'],
  ['sqlite:///var/x.db', '/var/x.db'],
  ['file:x.db', '/work/x.db'],
  ['file:///var/a%20b.db', '/var/a b.db'],
])('DATABASE_URL %s is the file %s', async (url, path) => {
  const { database } = await loadConfig({ env: { DATABASE_URL: url }, cwd: '/work' });
  expect(database).toEqual({ kind: 'sqlite', path });
});

test.each(['memory:', 'sqlite::memory:', ':memory:'])('DATABASE_URL %s is no file', async (url) => {
  expect((await load({ DATABASE_URL: url })).database).toEqual({ kind: 'memory' });
});

test('a YAML file says what data can', async () => {
  const yaml = `
http: { port: 7001 }
database_url: "memory:"
log_level: warn
agent_timeout_ms: 2000
drain_timeout_ms: 60000
settings: { attempts: 5, busy: steer }
breaker: { failure_threshold: 2, recovery_timeout: 1.5 }
balancing: score
health_check_interval: 5
passivate_ms: 1000
agents:
  - id: desk
    triggers: [order]
    endpoints: [{ id: a, url: "http://127.0.0.1:7002", weight: 2 }]
flows:
  orders: { agent_type: desk, agent_params: { tone: kind } }
`;
  const config = await load({}, { 'troupe.config.yaml': yaml });
  expect(config).toMatchObject({
    port: 7001,
    database: { kind: 'memory' },
    log_level: 'warn',
    troupe: {
      settings: { attempts: 5, busy: 'steer', attempt_ms: 2000 },
      pool: {
        breaker: { failure_threshold: 2, recovery_ms: 1500 },
        balancing: 'score',
        checks: { interval_ms: 5000 },
      },
      passivate_ms: 1000,
      drain_ms: 60_000,
      agents: [{ id: 'desk', kind: 'http', endpoints: [{ id: 'a', url: 'http://127.0.0.1:7002', weight: 2 }] }],
      flows: { orders: { agent_type: 'desk', agent_params: { tone: 'kind' } } },
    },
  });
  expect(config.file).toMatch(/troupe\.config\.yaml$/);
});

test('the limits of a node, in seconds where a name has no unit', async () => {
  const yaml = `
max_concurrent_requests: 20
request_timeout: 60
jobs: { workers: 8 }
`;
  const { troupe } = await load({}, { 'troupe.config.yaml': yaml });
  expect(troupe).toMatchObject({ max_concurrent_requests: 20, request_timeout_ms: 60_000, jobs: { workers: 8 } });
  expect(await refused(load({}, { 'troupe.config.yaml': 'max_concurrent_requests: 0' }))).toContain(
    'max_concurrent_requests',
  );
});

test('a TypeScript file says what only a program can', async () => {
  const source = `
    export default {
      agents: [{ id: 'echo', run: (text: string) => text }],
      shouldProcess: () => true,
      routing: () => 'default' as const,
      settings: { attempts: 2 },
      health_check_interval: 0,
    };
  `;
  const { troupe } = await load({}, { 'troupe.config.ts': source });
  expect(troupe).toMatchObject({ agents: [{ id: 'echo' }], settings: { attempts: 2 }, pool: {} });
  expect(troupe.pool).not.toHaveProperty('checks');
  expect(troupe.shouldProcess?.({ tenant: 't', session: 's', run_id: 'r', message: 'm' })).toBe(true);
  expect(troupe.routing).toBeTypeOf('function');
});

test('the environment goes before the file, the file before the default', async () => {
  const files = { 'troupe.config.yaml': 'http: { port: 7001, host: "::1" }\nsettings: { attempt_ms: 10 }' };
  expect(await load({ HTTP_PORT: '7002', AGENT_TIMEOUT_MS: '20' }, files)).toMatchObject({
    port: 7002,
    host: '::1',
    troupe: { settings: { attempt_ms: 20 } },
  });
  // A variable that is set to nothing is not set.
  expect((await load({ HTTP_PORT: '' }, files)).port).toBe(7001);
});

test('the file is the one that is named, by the caller or TROUPE_CONFIG, else the one that is there', async () => {
  const cwd = await folder({
    'troupe.config.yaml': 'http: { port: 1 }',
    'two.yaml': 'http: { port: 2 }',
    'three.yaml': 'http: { port: 3 }',
  });
  const env = { TROUPE_CONFIG: 'two.yaml' };
  expect((await loadConfig({ env: {}, cwd })).port).toBe(1);
  expect((await loadConfig({ env, cwd })).port).toBe(2);
  expect((await loadConfig({ env, cwd, file: 'three.yaml' })).port).toBe(3);
  expect(await refused(loadConfig({ env: {}, cwd, file: 'none.yaml' }))).toContain('none.yaml');
  await writeFile(join(cwd, 'troupe.config.ts'), 'export default {}');
  expect(await refused(loadConfig({ env: {}, cwd }))).toBe(
    'there are troupe.config.ts and troupe.config.yaml; keep one of them',
  );
});

test.each([
  [{ HTTP_PORT: 'many' }, 'HTTP_PORT: must be a port: 0 to 65535'],
  [{ HTTP_PORT: '70000' }, 'HTTP_PORT: must be a port: 0 to 65535'],
  [{ HTTP_PORT: '-1' }, 'HTTP_PORT: must be a port: 0 to 65535'],
  [{ DRAIN_TIMEOUT_MS: 'long' }, 'DRAIN_TIMEOUT_MS: must be a whole number of milliseconds'],
  [{ AGENT_TIMEOUT_MS: '0' }, 'AGENT_TIMEOUT_MS: must be more than 0'],
  [{ AGENT_TIMEOUT_MS: '5 minutes' }, 'AGENT_TIMEOUT_MS: must be a whole number of milliseconds'],
  [{ INGRESS_URL: 'gateway' }, 'INGRESS_URL: must be a URL that begins with http:// or https://'],
  [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL: Invalid option: expected one of "trace"|"debug"'],
  [{ DATABASE_URL: 'postgres://db/x' }, 'DATABASE_URL: postgres: is not known; use a path, "sqlite:<path>"'],
  [{ DATABASE_URL: 'data/' }, 'DATABASE_URL: names no file'],
  [{ NATS_URL: 'http://127.0.0.1 x' }, 'NATS_URL: must be nats://host:port'],
  [{ NATS_REPLICAS: '9' }, 'NATS_REPLICAS'],
] as const)('%o is refused: %s', async (env, sentence) => {
  expect(await refused(load({ ...env }))).toContain(sentence);
});

test.each([
  ['http: { prot: 1 }', 'http: Unrecognized key: "prot"; did you mean "port"?'],
  ['http: { port: "80" }', 'http.port: must be a port: 0 to 65535'],
  ['breaker: { failure_threshold: 0 }', 'breaker.failure_threshold: Too small'],
  ['balancing: random', 'balancing: Invalid option: expected one of "round_robin"|"weighted_round_robin"'],
  ['settings: { attempts: many }', 'settings.attempts: Invalid input: expected number'],
  ['agents: [{ id: a }]', 'agents.0.endpoints: Invalid input: expected array'],
  ['agents: [{ id: a, endpoints: [{ id: x, url: ftp://x }] }]', 'agents.0.endpoints.0.url: must be a URL that begins'],
  ['agents: [{ id: A a, endpoints: [] }]', 'agents.0.id: must be 1 to 63 characters'],
  ['shouldProcess: 1', 'the file: Unrecognized key: "shouldProcess"'],
  ['- a list', 'the file: Invalid input: expected object'],
  ['a: [', 'is no YAML'],
])('a file with %s is refused with the field', async (yaml, sentence) => {
  const message = await refused(load({}, { 'troupe.config.yaml': yaml }));
  expect(message).toContain('troupe.config.yaml');
  expect(message).toContain(sentence);
});

test.each([
  ['export const agents = []', 'exports nothing'],
  ['export default {', 'cannot be loaded'],
  ['throw new Error("no key")', 'cannot be loaded: no key'],
  ['export default { agents: ["echo"] }', 'agents.0: must be an agent'],
  ['export default { postProcess: true }', 'postProcess: must be a function'],
  ['export default { routing: "round" }', 'routing: must be "trigger", "llm", "hybrid" or a function'],
])('a program that says %s is refused', async (source, sentence) => {
  const message = await refused(load({}, { 'troupe.config.ts': source }));
  expect(message).toContain('troupe.config.ts');
  expect(message).toContain(sentence);
});

test('MCP servers are named in a YAML file, their secrets in the environment', async () => {
  const yaml = `
mcp:
  files: { command: npx, args: [-y, some-server, /srv], env: { TOKEN: "\${FILES_TOKEN}" }, approval: [write_file] }
  crm: { url: https://crm.example/mcp, headers: { authorization: "Bearer \${CRM_KEY}" }, timeout_ms: 5000 }
`;
  const { troupe } = await load({ FILES_TOKEN: 't1', CRM_KEY: 'k1' }, { 'troupe.config.yaml': yaml });
  expect(troupe.mcp).toEqual({
    files: { command: 'npx', args: ['-y', 'some-server', '/srv'], env: { TOKEN: 't1' }, approval: ['write_file'] },
    crm: { url: 'https://crm.example/mcp', headers: { authorization: 'Bearer k1' }, timeout_ms: 5_000 },
  });
  expect(await refused(load({ FILES_TOKEN: 't1' }, { 'troupe.config.yaml': yaml }))).toBe(
    'mcp.crm.headers.authorization: the environment has no variable CRM_KEY',
  );
});

test.each([
  ['mcp: { files: { args: [a] } }', 'mcp.files: must be { command, args?, env?, cwd? } or { url, headers? }'],
  ['mcp: { files: { url: "ftp://a" } }', 'mcp.files.url: must be a URL that begins with http:// or https://'],
  ['mcp: { "My Files": { command: a } }', 'must be 1 to 63 characters'],
])('an MCP server that is written as %s is refused', async (yaml, sentence) => {
  expect(await refused(load({}, { 'troupe.config.yaml': yaml }))).toContain(sentence);
});

test('a program brings charts of its own, and says when a session is stuck', async () => {
  const machine = `{ root: {}, transition() {} }`;
  const { troupe } = await load(
    {},
    { 'troupe.config.ts': `export default { machines: { light: ${machine} }, stuck_ms: { human: 60000 } };` },
  );
  expect(Object.keys(troupe.machines!)).toEqual(['light']);
  expect(troupe.stuck_ms).toEqual({ human: 60_000 });
  expect(await refused(load({}, { 'troupe.config.ts': 'export default { machines: { light: 7 } };' }))).toContain(
    'light',
  );
});

test('agents are offered by the Synadia Agent Protocol where a file says so', async () => {
  const offered = async (yaml: string) => (await load({}, { 'troupe.config.yaml': yaml })).troupe.agent_protocol;
  expect(await offered('agent_protocol: true')).toBe(true);
  expect(await offered('agent_protocol: { tenant: acme, interval_s: 5 }')).toEqual({ tenant: 'acme', interval_s: 5 });
  expect(await offered('agent_protocol: false')).toBeUndefined();
});
