// Tools of real MCP servers: a process on its standard streams, and services over HTTP.
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { OpenAiModels } from '../src/llm/models.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { nameOf } from '../src/tools/mcp/tool.ts';
import { type McpOptions, mcpTools } from '../src/tools/mcp.ts';
import { performTool, type ToolIO } from '../src/tools/perform.ts';
import { parametersOf, type Tool, type ToolSource } from '../src/tools/tool.ts';
import { createTroupe, type TroupeOptions } from '../src/troupe.ts';
import { askedIn } from './agents.ts';
import { KEY, scriptedModel } from './llm.ts';
import { serveTools } from './mcp-server.ts';

const SERVER = join(import.meta.dirname, 'mcp-server.ts');

/** A server as a process; `heard` is what its tools wrote down. */
async function started(more: Partial<McpOptions> & { env?: Record<string, string> } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-mcp-'));
  const log = join(folder, 'log');
  const env = { MCP_LOG: log, ...more.env };
  const source = mcpTools({ name: 'box', command: process.execPath, args: [SERVER], ...more, env } as McpOptions & {
    name: string;
  });
  onTestFinished(async () => {
    await source.close();
    await rm(folder, { recursive: true });
  });
  const heard = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : []);
  return { source, heard };
}

function reached(url: string, more: Partial<McpOptions> = {}, clock?: SteppedClock): ToolSource {
  const source = mcpTools({ name: 'box', url, ...more } as McpOptions & { name: string }, clock);
  onTestFinished(() => source.close());
  return source;
}

const lend = (more: Partial<ToolIO> = {}): ToolIO => ({
  signal: new AbortController().signal,
  tenant: 'acme',
  session_id: 's1',
  idempotency_key: 'acme/s1#4.0/1',
  call: { id: '1' },
  ...more,
});

const find = async (source: ToolSource, name: string): Promise<Tool<any>> => {
  const found = (await source.tools()).find((tool) => tool.name === name);
  if (!found) throw new Error(`no tool ${name}`);
  return found;
};

const use = async (source: ToolSource, name: string, input: unknown = {}, more: Partial<ToolIO> = {}) => {
  const done = await performTool(await find(source, name), input, lend(more));
  return 'error' in done ? done.error : done.output;
};

/** The same facts over both ways to speak to a server. */
const ways: [string, () => Promise<ToolSource>][] = [
  ['a process', async () => (await started()).source],
  ['HTTP', async () => reached((await service()).url)],
  ['HTTP with sessions', async () => reached((await service('sessions')).url)],
];

async function service(kind?: 'modern' | 'sessions', port?: number) {
  const served = await serveTools(kind, port);
  let isOpen = true;
  const close = async () => {
    if (isOpen) await served[Symbol.asyncDispose]();
    isOpen = false;
  };
  onTestFinished(close);
  return { ...served, close };
}

test.each(ways)('over %s: tools are called, and what they say is told', async (_, open) => {
  const source = await open();
  expect((await source.tools()).map(({ name }) => name)).toEqual([
    'box_echo',
    'box_weather',
    'box_show',
    'box_silent',
    'box_refuse',
    'box_throw',
    'box_hang',
    'box_who',
    'box_grow',
    'box_read_file-v2',
    'box_read_file-v2_2',
    'box_strange',
  ]);
  expect(await use(source, 'box_echo', { text: 'hi', times: 2 })).toBe('hi hi');
  expect(await use(source, 'box_echo', '{"text":"hi"}')).toBe('hi');
  expect(await use(source, 'box_weather', { city: 'Rome' })).toEqual({ city: 'Rome', celsius: 21 });
  expect(await use(source, 'box_silent')).toBe('');
  expect(await use(source, 'box_read_file-v2')).toBe('the first');
  expect(await use(source, 'box_read_file-v2_2')).toBe('the second');
  expect(await use(source, 'box_show')).toBe(
    [
      'Here:',
      '[image, image/png, 15 bytes]',
      '[audio, audio/wav, 15 bytes]',
      '[resource a.txt: file:///a.txt, the first]',
      '[resource file:///b.txt]\nin b',
      '[resource file:///c.bin, application/x-c, 15 bytes]',
    ].join('\n'),
  );
});

test.each(ways)('over %s: a tool that fails is told with what the server says of it', async (_, open) => {
  const source = await open();
  expect(await use(source, 'box_refuse')).toEqual({ code: 'tool_failed', message: 'the shop is closed' });
  expect(await use(source, 'box_throw')).toEqual({ code: 'tool_failed', message: 'no disk' });
});

test.each(ways)('over %s: input is checked here where zod can, else by the server', async (_, open) => {
  const source = await open();
  expect(await use(source, 'box_echo', { text: 7 })).toMatchObject({ code: 'bad_tool_input' });
  expect(await use(source, 'box_echo', 'no json')).toMatchObject({ code: 'bad_tool_input' });
  expect(await use(source, 'box_strange', { word: 7 })).toBe('{"word":7}');
  expect(await use(source, 'box_strange', { word: 'seven' })).toMatchObject({ code: 'tool_failed' });
});

test.each(ways)(
  'over %s: a call that is left is cancelled at the server, and its connection stays',
  async (_, open) => {
    const source = await open();
    const pid = pidIn(await use(source, 'box_who'));
    const controller = new AbortController();
    const left = use(source, 'box_hang', {}, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('left')), 200);
    await expect(left).rejects.toThrow('left');
    expect(pidIn(await use(source, 'box_who'))).toBe(pid);
  },
);

const pidIn = (output: unknown): number => JSON.parse(output as string).pid;

test('a cancelled call and one whose time is over are told to the server', async () => {
  const { source, heard } = await started();
  await source.tools();
  const controller = new AbortController();
  const left = use(source, 'box_hang', {}, { signal: controller.signal });
  await expect.poll(heard).toEqual(['hanging']);
  controller.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  await expect.poll(heard).toEqual(['hanging', 'cancelled']);
  expect(await use(source, 'box_hang', {}, { timeout_ms: 100 })).toMatchObject({ code: 'tool_timed_out' });
  await expect.poll(heard).toEqual(['hanging', 'cancelled', 'hanging', 'cancelled']);
});

test('models see the server’s own schema', async () => {
  const { source } = await started();
  expect(parametersOf(await find(source, 'box_echo'))).toMatchObject({
    type: 'object',
    properties: { text: { type: 'string' }, times: { type: 'integer', default: 1 } },
    required: ['text'],
  });
});

test('a server that is killed in the middle of a call fails that call; the next one finds a new server', async () => {
  const { source, heard } = await started();
  const pid = pidIn(await use(source, 'box_who'));
  const hanging = use(source, 'box_hang');
  await expect.poll(heard).toEqual(['hanging']);
  process.kill(pid, 'SIGKILL');
  expect(await hanging).toEqual({
    code: 'tools_unavailable',
    message: expect.stringContaining(`MCP server "box" (${process.execPath}) cannot be reached`),
  });
  expect(await use(source, 'box_echo', { text: 'again' })).toBe('again');
  expect(pidIn(await use(source, 'box_who'))).not.toBe(pid);
});

test('many calls at once share one process', async () => {
  const { source } = await started();
  const pids = await Promise.all(Array.from({ length: 8 }, async () => pidIn(await use(source, 'box_who'))));
  expect(new Set(pids).size).toBe(1);
});

test('a process gets the environment it is given, and nothing else of ours', async () => {
  process.env.TROUPE_TEST_SECRET = 'hush';
  onTestFinished(() => void delete process.env.TROUPE_TEST_SECRET);
  const { source } = await started({ env: { API_KEY: 'k' } });
  const { env } = JSON.parse((await use(source, 'box_who')) as string);
  expect(env).toEqual(expect.arrayContaining(['API_KEY', 'MCP_LOG', 'PATH']));
  expect(env).not.toContain('TROUPE_TEST_SECRET');
});

test.each(ways)('over %s: the server is told the key of the call', async (_, open) => {
  const { meta } = JSON.parse((await use(await open(), 'box_who')) as string);
  expect(meta).toMatchObject({ 'troupe/idempotency_key': 'acme/s1#4.0/1' });
});

test('closing ends the process', async () => {
  const { source } = await started();
  const pid = pidIn(await use(source, 'box_who'));
  await source.close();
  await expect.poll(() => isAlive(pid)).toBe(false);
  expect(await use(source, 'box_who')).toMatchObject({ code: 'tools_unavailable' });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a tool that a server gets later is noticed', async () => {
  const { source } = await started();
  await use(source, 'box_grow');
  await expect.poll(async () => (await source.tools()).at(-1)!.name).toBe('box_grown_tool');
  expect(await use(source, 'box_grown_tool')).toBe('grown');
});

test('a server that does not tell of changes is asked again after a minute', async () => {
  const clock = new SteppedClock();
  const served = await service('modern');
  const source = reached(served.url, {}, clock);
  const [before] = await source.tools();
  expect((await source.tools())[0]).toBe(before);
  clock.advance(60_000);
  expect((await source.tools())[0]).not.toBe(before);
  await served.close();
  clock.advance(60_000);
  expect((await source.tools()).length).toBe(12);
});

test.each(['modern', 'sessions'] as const)(
  'a %s service that goes away and comes back is found again',
  async (kind) => {
    const first = await service(kind);
    const source = reached(first.url);
    expect(await use(source, 'box_echo', { text: 'one' })).toBe('one');
    await first.close();
    expect(await use(source, 'box_echo', { text: 'two' })).toMatchObject({
      code: 'tools_unavailable',
      message: expect.stringContaining(`MCP server "box" (127.0.0.1:${first.port}) cannot be reached`),
    });
    const second = await service(kind, first.port);
    expect(await use(source, 'box_echo', { text: 'three' })).toBe('three');
    expect(second.heard).toEqual(['echo three']);
  },
);

test('a service that was started anew between two calls is not noticed', async () => {
  const first = await service('sessions');
  const source = reached(first.url);
  expect(await use(source, 'box_echo', { text: 'one' })).toBe('one');
  await first.close();
  const second = await service('sessions', first.port);
  // The connection that was kept is seen to be closed.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await use(source, 'box_echo', { text: 'two' })).toBe('two');
  expect(second.heard).toEqual(['echo two']);
});

test('headers go along with every request', async () => {
  const served = await service();
  const source = reached(served.url, { headers: { authorization: 'Bearer k' } });
  await use(source, 'box_echo', { text: 'hi' });
  expect([...served.keys]).toEqual(['Bearer k']);
});

test('a command that is not there is said with its name, not with its arguments', async () => {
  const source = mcpTools({ name: 'far', command: '/no/such/command', args: ['--key', 'hush'], env: { KEY: 'hush' } });
  const failed = await source.tools().catch((error) => error);
  expect(failed).toMatchObject({ name: 'Failed', code: 'tools_unavailable', retryable: true });
  expect(failed.message).toContain('MCP server "far" (/no/such/command) cannot be reached: ');
  expect(failed.message).not.toContain('hush');
});

test('names become tokens of at most 63 characters, each its own', () => {
  const taken = new Set<string>();
  const names = ['Größe.get', 'x'.repeat(80), 'x'.repeat(80)].map((name) => nameOf('box', name, taken));
  expect(names).toEqual(['box_gr__e_get', `box_${'x'.repeat(59)}`, `box_${'x'.repeat(57)}_2`]);
  for (const name of names) expect(name).toMatch(/^[a-z0-9_-]{1,63}$/);
});

test.each<[string, any, string]>([
  ['neither command nor url', {}, 'must be { command, args?, env?, cwd? } or { url, headers? }'],
  ['both', { command: 'a', url: 'http://b' }, 'must be { command, args?, env?, cwd? } or { url, headers? }'],
  ['no http', { url: 'ftp://b' }, 'must be a URL that begins with http:// or https://'],
])('a server with %s is refused', (_, options, message) => {
  expect(() => mcpTools({ name: 'box', ...options })).toThrow(message);
});

test('tools that need a person’s yes are named as the server names them', async () => {
  const { source } = await started({ approval: ['Read.File-v2'] });
  const asking = (await source.tools()).filter((tool) => tool.approval === true);
  expect(asking.map(({ name }) => name)).toEqual(['box_read_file-v2']);
});

test('flows name tools of a server, or all of them by its name; closing the troupe ends the process', async () => {
  const { agents, pids } = reporter();
  const made = await createTroupe({
    agents,
    mcp: { box: { command: process.execPath, args: [SERVER] } },
    flows: {
      one: { agent_type: 'reporter', tools: ['box_who'] },
      all: { agent_type: 'reporter', tools: ['box'] },
      none: { agent_type: 'reporter', tools: [] },
    },
  });
  const say = async (flow: string) => (await made.session(flow).send('box_who', { flow })).answer;
  expect(await say('one')).toBe('done');
  expect(await say('all')).toBe('done');
  expect((await made.session('e').send('box_echo', { flow: 'one' })).answer).toBe('tool_not_allowed');
  expect(await say('none')).toBe('tool_not_allowed');
  expect(pids.size).toBe(1);
  await made.close();
  await expect.poll(() => isAlive([...pids][0]!)).toBe(false);
});

function reporter() {
  const pids = new Set<number>();
  const run = async (name: string, { tool }: { tool: (name: string, input: unknown) => Promise<unknown> }) => {
    try {
      pids.add(pidIn(await tool(name, {})));
      return 'done';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { pids, agents: [{ id: 'reporter', run }] };
}

test('an agent that calls a model has the tools of a server by its name: their schemas, their results, their approvals', async () => {
  const model = await scriptedModel([
    { calls: [{ name: 'box_echo', arguments: { text: 'hi', times: 2 } }] },
    { calls: [{ name: 'box_refuse', arguments: {} }] },
    'Closed.',
  ]);
  const founder = { base_url: model.url, api_key: KEY, model: 'test-model' };
  const made = await createTroupe({
    agents: [{ id: 'clerk', kind: 'llm', tools: ['box'] }],
    mcp: { box: { command: process.execPath, args: [SERVER], approval: ['refuse'] } },
    pool: { models: new OpenAiModels({ settings: { founder } }) },
  });
  onTestFinished(() => made.close());
  const session = made.session('s1');
  const asked = await session.send('go', { agent_id: 'clerk' });
  expect(asked).toMatchObject({ status: 'awaiting_approval', question: { action: 'box_refuse' } });
  await session.approve({ approval: askedIn(asked), decision: 'approve', by: 'ann' });
  await expect.poll(async () => (await session.history('llm')).at(-1)!.content).toBe('Closed.');
  const [first, second, third] = model.requests.map(({ body }) => body as any);
  const echo = first.tools.find((tool: any) => tool.function.name === 'box_echo');
  expect(echo.function).toMatchObject({
    description: 'Says it again.',
    parameters: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  });
  expect(second.messages.at(-1)).toMatchObject({ role: 'tool', content: 'hi hi' });
  expect(third.messages.at(-1).content).toContain('the shop is closed');
});

test('an agent that lacks a server it was declared with fails its run, and says which', async () => {
  const made = await createTroupe({
    agents: [{ id: 'clerk', kind: 'llm', tools: ['box'] }],
    mcp: { box: { url: 'http://127.0.0.1:1/mcp' } },
    settings: { attempts: 1 },
  });
  onTestFinished(() => made.close());
  expect(await made.session('s1').send('go', { agent_id: 'clerk' })).toMatchObject({
    status: 'failed',
    error: { code: 'tools_unavailable', message: expect.stringContaining('MCP server "box" (127.0.0.1:1)') },
  });
});

test('a flow that lists what no server and no tool is called is refused, naming what there is', async () => {
  const options: TroupeOptions = {
    agents: reporter().agents,
    mcp: { box: { url: 'http://127.0.0.1:1/mcp' } },
    flows: { f: { agent_type: 'reporter', tools: ['crate_who'] } },
  };
  await expect(createTroupe(options)).rejects.toThrow(
    'lists the tool "crate_who", which is not declared; declared are box',
  );
});
