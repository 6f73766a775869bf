// How a node is: agents, resources, dependencies, and the whole that is as bad as its worst part.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createTroupe, defineAgent, Failed, memoryJournal, sqliteJournal } from '../src/index.ts';
import type { TroupeOptions } from '../src/troupe.ts';
import { openDoor } from './door.ts';

const well = (id: string) => defineAgent({ id, run: () => 'well' });
const ill = (id: string) =>
  defineAgent({
    id,
    run: () => {
      throw new Failed('broken', 'it is broken');
    },
  });

async function open(options: TroupeOptions) {
  const troupe = await createTroupe({
    pool: { breaker: { failure_threshold: 1 } },
    settings: { attempts: 1 },
    ...options,
  });
  onTestFinished(() => troupe.close());
  return troupe;
}

test('agents whose breakers are open are unhealthy; more than half of them make the whole degraded', async () => {
  const agents = [well('a'), well('b'), ill('c'), ill('d'), ill('e')];
  const troupe = await open({ agents });
  const health = async () => (await troupe.health.view('default')).agents;
  const fail = (agent_id: string) => troupe.session(agent_id).send('go', { agent_id });
  expect(await health()).toEqual({ healthy_agents: 5, unhealthy_agents: 0, total_agents: 5, system_health: 'healthy' });
  await fail('c');
  expect(await health()).toEqual({ healthy_agents: 4, unhealthy_agents: 1, total_agents: 5, system_health: 'warning' });
  await fail('d');
  expect((await health()).system_health).toBe('warning');
  await fail('e');
  expect(await health()).toEqual({
    healthy_agents: 2,
    unhealthy_agents: 3,
    total_agents: 5,
    system_health: 'degraded',
  });
});

test('one instance of several that is out is to be warned of', async () => {
  const endpoints = [
    { id: 'a', url: 'http://127.0.0.1:1' },
    { id: 'b', url: 'http://127.0.0.1:2' },
  ];
  const troupe = await open({ agents: [{ id: 'far', kind: 'http', endpoints }] });
  const before = troupe.health.agents('default');
  expect(before).toMatchObject({ total_agents: 1, unhealthy_agents: 0 });
  await troupe.session('s').send('go', { agent_id: 'far' });
  expect(troupe.health.agents('default').system_health).not.toBe('healthy');
});

test('memory, event loop and disk are measured against their limits', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-health-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const troupe = await open({ journal: sqliteJournal({ path: join(folder, 'x.db') }) });
  const { resources, dependencies } = await troupe.health.view('default');
  expect(resources.map(({ name }) => name)).toEqual(['memory', 'event_loop', 'disk']);
  for (const { value, limit } of resources) expect(value).toBeLessThanOrEqual(limit!);
  expect(resources.find(({ name }) => name === 'disk')).toMatchObject({ unit: 'bytes' });
  expect(dependencies).toMatchObject([{ name: 'journal', status: 'healthy', unit: 'ms' }]);
});

test('an event loop that stood still is seen', async () => {
  const troupe = await open({});
  await troupe.health.view('default');
  await new Promise((resolve) => setTimeout(resolve, 60));
  const until = performance.now() + 1_500;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 60));
  await expect
    .poll(async () => (await troupe.health.view('default')).resources.find(({ name }) => name === 'event_loop')!.status)
    .toBe('degraded');
});

test('a journal that fails is a dependency that is down, and the whole is degraded', async () => {
  const journal = memoryJournal();
  let down = false;
  const troupe = await open({
    journal: { ...journal, last: (key) => (down ? Promise.reject(new Error('gone')) : journal.last(key)) },
  });
  expect((await troupe.health.view('default')).dependencies[0]!.status).toBe('healthy');
  down = true;
  await expect
    .poll(async () => (await troupe.health.view('default')).dependencies)
    .toEqual([{ name: 'journal', status: 'degraded', detail: 'gone' }]);
  expect((await troupe.health.view('default')).system_health).toBe('degraded');
});

test('over HTTP: the whole at /health, the agents at /agents/health, each tenant its own', async () => {
  const door = await openDoor({ agents: [well('a')] });
  expect(await door.get('/health')).toMatchObject({
    status: 200,
    body: {
      status: 'ok',
      state: 'serving.normal',
      system_health: expect.stringMatching(/healthy|warning|degraded/),
      agents: { total_agents: 1 },
      resources: [{ name: 'memory' }, { name: 'event_loop' }],
      dependencies: [{ name: 'journal', status: 'healthy' }],
    },
  });
  const mine = await door.get('/agents/health', { headers: { 'x-tenant-id': 'acme' } });
  expect(Object.keys(mine.body).sort()).toEqual([
    'healthy_agents',
    'system_health',
    'total_agents',
    'unhealthy_agents',
  ]);
  await door.troupe.registerAgent('acme', {
    agent_id: 'far',
    kind: 'http',
    endpoints: [{ id: '1', url: 'http://127.0.0.1:1' }],
  });
  expect((await door.get('/agents/health', { headers: { 'x-tenant-id': 'acme' } })).body.total_agents).toBe(2);
  expect((await door.get('/agents/health')).body.total_agents).toBe(1);
  door.troupe.orchestrator.actor.send({ type: 'journal.lost' });
  expect(await door.get('/health')).toMatchObject({ status: 503, body: { status: 'unavailable' } });
});
