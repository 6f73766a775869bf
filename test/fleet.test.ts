// The fleet: what a machine decides is counted as it is remembered, by state, by stay, by way, on one node or on many.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Frame } from '../src/fleet/frame.ts';
import type { FleetView } from '../src/fleet/nodes.ts';
import type { TroupeOptions } from '../src/index.ts';
import { sqliteJournal } from '../src/journal/sqlite.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { held, scripted } from '../src/testing/scripted.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';
import { sessionOn, settled, startNode } from './cluster.ts';
import { openDoor } from './door.ts';
import { type NatsServer, startNats } from './nats.ts';

const echo = { id: 'echo', triggers: ['say'], run: (text: string) => text };

async function troupeOf(options: TroupeOptions = {}): Promise<Troupe> {
  const troupe = await createTroupe({ agents: [echo], ...options });
  onTestFinished(() => troupe.close());
  return troupe;
}

describe('sessions per state', () => {
  test('are counted as they move', async () => {
    const troupe = await troupeOf();
    await troupe.session('s1').send('say hi');
    await troupe.session('s2').send('say hi');
    await troupe.session('s2').takeOver({ by: 'ann' });
    expect(await troupe.fleet.view('default')).toMatchObject({
      sessions: 2,
      states: { 'automated/idle': 1, 'human.held/idle': 1 },
    });
  });

  test('that were there before the process are counted with the first question, and moves since are not counted twice', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fleet-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'troupe.db');
    const journal = () => sqliteJournal({ path });
    const first = await createTroupe({ agents: [echo], journal: journal() });
    for (let index = 0; index < 20; index += 1) await first.session(`s${index}`).send('say hi');
    await first.session('s0').takeOver({ by: 'ann' });
    await first.close();

    const again = await troupeOf({ journal: journal(), stuck_ms: { human: 1 } });
    await again.session('s1').takeOver({ by: 'ann' });
    await again.session('new').send('say hi');
    const [view] = await Promise.all([
      again.fleet.view('default'),
      again.session('s2').takeOver({ by: 'ann' }),
      again.session('s3').send('say more'),
    ]);
    expect(view.sessions).toBe(21);
    expect((await again.fleet.view('default')).states).toEqual({ 'automated/idle': 18, 'human.held/idle': 3 });
    const { states, stuck } = await again.fleet.view('default');
    expect(Object.fromEntries(await again.journal.census('default'))).toEqual(states);
    // Who was held before is found too, and was held the longest.
    await sleep(5);
    expect((await again.fleet.view('default')).stuck.sessions.map(({ session_id }) => session_id)).toEqual([
      's0',
      's1',
      's2',
    ]);
    expect(stuck.sessions[0]).toMatchObject({ session_id: 's0', part: 'human' });
  });

  test('are a tenant’s own', async () => {
    const troupe = await troupeOf();
    await troupe.session('s1', { tenant: 'acme' }).send('say hi');
    expect(await troupe.fleet.view('other')).toMatchObject({ sessions: 0, transitions: [], dwell: {} });
    expect(await troupe.fleet.view('*')).toMatchObject({ sessions: 1 });
  });

  test('go down when ended sessions are removed', async () => {
    const clock = new SteppedClock();
    const troupe = await troupeOf({ clock });
    await troupe.session('s1').send('say hi');
    await troupe.session('s1').close();
    expect((await troupe.fleet.view('default')).states).toEqual({ closed: 1 });
    clock.advance(10_000);
    await troupe.cleanUp('default', 5);
    expect((await troupe.fleet.view('default')).states).toEqual({});
  });
});

describe('what is derived from the machine', () => {
  test('a stay ends when its part of the state is left, whatever happens in the other region', async () => {
    const clock = new SteppedClock();
    const agent = scripted('helper', [held('Well')]);
    const troupe = await troupeOf({ clock, agents: [agent] });
    const session = troupe.session('s1');
    const answer = session.send('hi', { agent_id: 'helper' });
    await vi.waitFor(async () => expect((await session.state()).turn).toBe('running.attempting'));
    clock.advance(700);
    await session.takeOver({ by: 'ann' });
    await answer;
    clock.advance(20_000);
    await session.inject({ by: 'ann', content: 'It is Ann.' });
    clock.advance(20_000);
    await session.release({ by: 'ann' });
    const { dwell } = await troupe.fleet.view('default');
    expect(dwell['running.attempting']).toMatchObject({ count: 1, sum_ms: 700 });
    expect(dwell.automated).toMatchObject({ count: 1, sum_ms: 700 });
    // The turn went from suspended to idle in between; Ann had the floor all along.
    expect(dwell['human.held']).toMatchObject({ count: 1, sum_ms: 40_000 });
    expect(dwell['human.held']!.buckets.find(({ count }) => count === 1)).toEqual({ le_ms: 60_000, count: 1 });
  });

  test('every step is counted with where it came from', async () => {
    const troupe = await troupeOf();
    await troupe.session('s1').send('say hi');
    await troupe.session('s1').send('say hi');
    const { transitions } = await troupe.fleet.view('default');
    expect(transitions.filter(({ event }) => event === 'message')).toEqual([
      { from: null, to: 'automated/running.attempting', event: 'message', count: 1 },
      { from: 'automated/idle', to: 'automated/running.attempting', event: 'message', count: 1 },
    ]);
  });

  test('a session that was read back is known since its last entry', async () => {
    const clock = new SteppedClock();
    const troupe = await troupeOf({ clock, passivate_ms: 1 });
    await troupe.session('s1').send('say hi');
    for (let second = 0; second < 5; second += 1) clock.advance(1_000);
    expect(troupe.orchestrator.sessions()).toHaveLength(0);
    await troupe.session('s1').takeOver({ by: 'ann' });
    expect((await troupe.fleet.view('default')).dwell.idle).toBeUndefined();
    expect((await troupe.fleet.view('default')).dwell.automated).toMatchObject({ count: 1, sum_ms: 5_000 });
  });

  test('who stays too long is listed until it moves, the longest first', async () => {
    const clock = new SteppedClock();
    const troupe = await troupeOf({ clock, stuck_ms: { human: 10_000 } });
    const since = clock.now();
    for (const id of ['s1', 's2', 's3']) {
      await troupe.session(id).send('say hi');
      await troupe.session(id).takeOver({ by: 'ann' });
      clock.advance(6_000);
    }
    const { stuck } = await troupe.fleet.view('default');
    expect(stuck).toEqual({
      total: 2,
      sessions: [
        { session_id: 's1', part: 'human', since, threshold_ms: 10_000 },
        { session_id: 's2', part: 'human', since: since + 6_000, threshold_ms: 10_000 },
      ],
    });
    await troupe.session('s1').release();
    expect((await troupe.fleet.view('default')).stuck.total).toBe(1);
    expect((await troupe.fleet.view('other')).stuck.total).toBe(0);
  });
});

test('Prometheus sees the same', async () => {
  const clock = new SteppedClock();
  const door = await openDoor({ agents: [echo], clock, stuck_ms: { human: 1_000 } });
  await door.troupe.session('s1').send('say hi');
  clock.advance(3_000);
  await door.troupe.session('s1').takeOver({ by: 'ann' });
  await door.troupe.session('s2', { tenant: 'acme' }).send('say hi');
  clock.advance(2_000);
  const lines = (await door.get('/metrics')).body.split('\n');
  const idle = 'automated/idle';
  for (const line of [
    `troupe_sessions{state="${idle}"} 1`,
    'troupe_sessions{state="human.held/idle"} 1',
    'troupe_sessions_stuck{part="human"} 1',
    `troupe_session_steps_total{from="${idle}",event="takeover",to="human.held/idle"} 1`,
    'troupe_session_steps_total{from="",event="message",to="automated/running.attempting"} 2',
    'troupe_session_dwell_seconds_bucket{le="2.5",part="automated"} 0',
    'troupe_session_dwell_seconds_bucket{le="5",part="automated"} 1',
    'troupe_session_dwell_seconds_bucket{le="+Inf",part="automated"} 1',
    'troupe_session_dwell_seconds_sum{part="automated"} 3',
    'troupe_session_dwell_seconds_count{part="automated"} 1',
  ])
    expect(lines).toContain(line);
});

describe('GET /v1/events', () => {
  test('begins with a census, and what moves adds up to the next one', async () => {
    const door = await openDoor({ agents: [echo] });
    await door.troupe.session('s1').send('say hi');
    const listener = await door.listen('/v1/events');
    const census = await listener.until(({ event }) => event === 'census');
    expect(census.data.states).toEqual({ 'automated/idle': 1 });
    for (let index = 2; index <= 40; index += 1) await door.troupe.session(`s${index}`).send('say hi');
    await door.troupe.session('s1').takeOver({ by: 'ann' });
    await listener.until(
      ({ event, data }) => event === 'moves' && data.entries.some((step: any) => step.after === 'human.held/idle'),
    );
    const states: Record<string, number> = { ...census.data.states };
    for (const { event, data } of listener.heard)
      if (event === 'moves')
        for (const { from, to, count } of data.moves) {
          if (from) states[from] = states[from]! - count;
          if (to) states[to] = (states[to] ?? 0) + count;
        }
    const { body } = await door.get('/v1/fleet');
    expect(Object.fromEntries(Object.entries(states).filter(([, count]) => count > 0))).toEqual(body.states);
    // A frame is of more than one step: 79 steps and no frame each.
    expect(listener.heard.length).toBeLessThan(60);
  });

  test('tells nobody of another tenant', async () => {
    const door = await openDoor({ agents: [echo] });
    const listener = await door.listen('/v1/events?tenant=other');
    await listener.until(({ event }) => event === 'census');
    await door.troupe.session('s1').send('say hi');
    await door.troupe.session('s1', { tenant: 'other' }).send('say hi');
    const { data } = await listener.until(({ event }) => event === 'moves');
    await sleep(150);
    expect(listener.heard.flatMap(({ data: { entries = [] } }) => entries).length).toBe(2);
    expect(data.entries[0]).toMatchObject({ session_id: 's1', n: 1, before: null, event: 'message' });
  });

  test('a frame holds no more than the ways of a chart and the newest steps, however slow its listener', () => {
    const frame = new Frame();
    const step = (n: number) => ({ session_id: 's', n, at: n, event: 'e', before: 'a', after: 'b' });
    for (let n = 1; n <= 5_000; n += 1) frame.add({ from: 'a', to: 'b', event: 'e' }, step(n));
    const { moves, entries, left_off } = frame.take();
    expect(moves).toEqual([{ from: 'a', to: 'b', event: 'e', count: 5_000 }]);
    expect(entries).toHaveLength(100);
    expect(entries.at(-1)!.n).toBe(5_000);
    expect(left_off).toBe(4_900);
    expect(frame.empty).toBe(true);
  });
});

describe('a cluster', () => {
  let nats: NatsServer | undefined;
  afterEach(async () => {
    await nats?.stop();
  });

  test('any node answers for the whole, also after one has left', async () => {
    nats = await startNats({ jetstream: true });
    const a = await startNode(nats.url, { id: 'a', agents: [echo] });
    const b = await startNode(nats.url, { id: 'b', agents: [echo] });
    onTestFinished(async () => {
      await a.close();
      await b.close();
    });
    await settled(a, b);
    const moves: any[] = [];
    const frame = new Frame();
    const unlisten = a.troupe.fleet.listen('default', frame, () => moves.push(...frame.take().entries));
    onTestFinished(unlisten);
    await a.troupe.fleet.census('default', () => {});
    for (const node of [a, b])
      for (const name of ['x', 'y', 'z']) await a.troupe.session(sessionOn(node, name)).send('say hi');
    await b.troupe.session(sessionOn(a, 'x')).takeOver({ by: 'ann' });

    const told = async (node: typeof a): Promise<FleetView> => node.troupe.fleet.view('default');
    for (const node of [a, b]) {
      const { sessions, states, nodes, shards, agents } = await told(node);
      expect(sessions).toBe(6);
      expect(states).toEqual({ 'automated/idle': 5, 'human.held/idle': 1 });
      expect(nodes.map(({ node, answered, sessions }) => [node, answered, sessions]).sort()).toEqual([
        ['a', true, 3],
        ['b', true, 3],
      ]);
      expect(shards).toHaveLength(16);
      expect(new Set(shards.map(({ state }) => state))).toEqual(new Set(['owned']));
      expect(agents.map(({ node, agent_id }) => `${node}/${agent_id}`).sort()).toEqual(['a/echo', 'b/echo']);
    }
    await vi.waitFor(() => expect(moves.filter(({ event }) => event === 'message')).toHaveLength(6));

    await b.close();
    await vi.waitFor(async () =>
      expect(await told(a)).toMatchObject({
        sessions: 6,
        states: { 'automated/idle': 5, 'human.held/idle': 1 },
        nodes: [{ node: 'a', sessions: 6, shards: 16 }],
      }),
    );
  });
});
