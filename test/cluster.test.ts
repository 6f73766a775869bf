// Nodes that share a journal: any of them answers for any session, and they come and go without anybody noticing.
import { setTimeout as pause } from 'node:timers/promises';
import type { KV } from '@nats-io/kv';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type NatsNode, natsNode } from '../src/cluster/node.ts';
import { place } from '../src/cluster/table.ts';
import { realClock } from '../src/platform/clock.ts';
import { type FeedItem, feed } from '../src/sessions/feed.ts';
import { Troupe } from '../src/troupe.ts';
import {
  counted,
  counter,
  type NodeOptions,
  Steered,
  sessionOn,
  settled,
  startNode,
  type TestNode,
} from './cluster.ts';
import { type NatsServer, startNats } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';

const without = natsBinary('2.9.0')
  ? ''
  : ': there is no nats-server on the path; `npm run pretest` says how to get one';

describe.skipIf(without !== '')(`a cluster${without}`, () => {
  let server: NatsServer;
  const nodes: TestNode[] = [];
  beforeAll(async () => {
    server = await startNats({ jetstream: true });
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close();
  });
  afterAll(() => server.stop());

  async function join(options: NodeOptions = { agents: [counter] }): Promise<TestNode> {
    const node = await startNode(server.url, options);
    nodes.push(node);
    return node;
  }

  /** What a listener on a node hears of a session until it is enough. */
  async function heard(node: TestNode, session: string, enough: (item: FeedItem) => boolean): Promise<FeedItem[]> {
    const items: FeedItem[] = [];
    for await (const item of feed(node.troupe.orchestrator, { tenant: 'default', session })) {
      items.push(item);
      if (enough(item)) break;
    }
    return items;
  }

  test('a node that cannot join the others has failed, and its chart says why', async () => {
    const nats = await natsNode({ url: server.url, shards: 16 });
    await nats.close();
    const troupe = new Troupe({ cluster: nats.cluster });
    const states: unknown[] = [];
    troupe.orchestrator.actor.subscribe(({ value, context: { reason } }) => states.push([value, reason]));
    const error = await troupe.start().catch((error) => error);
    expect(states).toEqual([
      ['joining', null],
      ['failed', error.message],
    ]);
    troupe.cluster!.stop();
  });

  test('any node answers for any session: messages, views, pauses, takeovers', async () => {
    const [a, b] = [await join(), await join()];
    await settled(a, b);
    const session = sessionOn(a, 'any');
    const there = b.troupe.session(session);
    expect(await there.send('count to 3')).toMatchObject({ status: 'done', answer: '1 2 3' });
    expect(await there.state()).toEqual(await a.troupe.session(session).state());
    expect((await there.pause()).control).toBe('paused');
    expect((await there.send('count to 2')).status).toBe('accepted');
    expect((await a.troupe.session(session).takeOver({ by: 'ann' })).holder).toBe('ann');
    expect(await there.state()).toMatchObject({ control: 'human', holder: 'ann' });
    await there.inject({ mode: 'speak', content: 'hello', by: 'ann' });
    await there.release({ by: 'ann' });
    const lines = (await there.history()).map(({ role, content }) => `${role}: ${content}`);
    expect(lines.slice(0, 3)).toEqual(['user: count to 3', 'assistant: 1 2 3', 'user: count to 2']);
    expect(lines).toContain('supervisor: hello');
    // The session lives in one place.
    expect(a.troupe.orchestrator.sessions().map(({ key }) => key.session)).toContain(session);
    expect(b.troupe.orchestrator.sessions().map(({ key }) => key.session)).not.toContain(session);
  });

  test('a refusal is the same through every node', async () => {
    const [a, b] = [await join(), await join()];
    await settled(a, b);
    const unknown = { code: 'unknown_session', status: 404 };
    for (const node of [a, b])
      await expect(node.troupe.session(sessionOn(a, 'nobody')).state()).rejects.toMatchObject(unknown);
  });

  test('a listener on another node hears every word, once and in order', async () => {
    const [a, b] = [await join(), await join()];
    await settled(a, b);
    const session = sessionOn(a, 'heard');
    const listening = heard(b, session, (item) => item.type === 'entry' && item.entry.state.endsWith('idle'));
    await a.troupe.session(session).send('count to 30');
    const items = await listening;
    const entries = items.flatMap((item) => (item.type === 'entry' ? [item.entry.n] : []));
    expect(entries).toEqual(entries.map((_, index) => index + 1));
    const parts = items.flatMap((item) => (item.type === 'part' ? [item.part] : []));
    expect(parts.length).toBeGreaterThan(10);
    expect(parts.reduce((text, part) => text.slice(0, part.offset) + part.text, '')).toBe(counted(30));
  });

  test('a listener that comes in the middle of an answer to another node gets what was said so far', async () => {
    const steered = new Steered();
    const [a, b] = [await join({ agents: [steered.agent] }), await join({ agents: [steered.agent] })];
    await settled(a, b);
    const session = sessionOn(a, 'late');
    const asked = a.troupe.session(session).send('steer');
    const call = await steered.call(1);
    call.say('so far');
    const listening = heard(b, session, (item) => item.type === 'part' && item.part.text.includes('far'));
    expect((await listening).at(-1)).toMatchObject({ part: { text: 'so far', offset: 0 } });
    call.end();
    expect((await asked).answer).toBe('so far');
  });

  test('agents that are registered on one node are known on all', async () => {
    const [a, b] = [await join({}), await join({})];
    await settled(a, b);
    const agent = {
      agent_id: 'outside',
      kind: 'http',
      endpoints: [{ id: 'e1', url: 'http://127.0.0.1:9/' }],
    } as const;
    await a.troupe.registerAgent('default', agent);
    await expect.poll(() => b.troupe.pool.get('default', 'outside') !== undefined).toBe(true);
    const c = await join({});
    expect(c.troupe.pool.get('default', 'outside')).toBeDefined();
    await c.nats.transport.request('troupe.default.agent.beating.heartbeat', '{"instance_id":"i1"}');
    for (const { troupe } of [a, b, c])
      await expect.poll(() => troupe.pool.get('default', 'beating')?.definition.kind).toBe('nats');
    await b.troupe.deregisterAgent('default', 'outside');
    await expect.poll(() => a.troupe.pool.get('default', 'outside')).toBeUndefined();
  });

  test('a node that leaves lets its answers end: no request fails, and no run begins anew', async () => {
    const keys: string[] = [];
    const noting = {
      ...counter,
      run: (message: string, context: any) => {
        keys.push(context.call.idempotency_key);
        return counter.run(message, context);
      },
    } as typeof counter;
    const [a, b] = [await join({ agents: [noting] }), await join({ agents: [noting] })];
    await settled(a, b);
    const sessions = Array.from({ length: 24 }, (_, index) => `leave${index}`);
    const asked = sessions.map((session) => b.troupe.session(session).send('count to 25'));
    await expect.poll(() => keys.length).toBe(24);
    const left = a.close();
    const meanwhile = sessions.map((session) => b.troupe.session(session).send('count to 2'));
    for (const outcome of await Promise.all(asked)) expect(outcome.answer).toBe(counted(25));
    for (const outcome of await Promise.all(meanwhile)) expect(outcome.answer).toBe('1 2');
    await left;
    await settled(b);
    expect(keys).toHaveLength(48);
    expect(new Set(keys).size).toBe(48);
  });

  describe('while a node that leaves ends an answer', () => {
    /** Node a leaves in the middle of an answer; node b has all the rest by then. */
    async function leaving(name: string, limits = {}) {
      const steered = new Steered();
      const sharing = (cluster: NatsNode['cluster']) => ({ ...cluster, limits });
      const agents = [steered.agent, counter];
      const [a, b] = [await join({ agents, sharing }), await join({ agents, sharing })];
      await settled(a, b);
      const session = sessionOn(a, name);
      const { cluster } = b.troupe;
      const shardOf = (name: string) => cluster!.shardOf({ tenant: 'default', session: name });
      const neighbour = Array.from({ length: 1_000 }, (_, index) => `${name}-near${index}`).find(
        (name) => shardOf(name) === shardOf(session),
      )!;
      await a.troupe.session(neighbour).send('count to 1');
      const asked = b.troupe.session(session).send('steer');
      const call = await steered.call(1);
      call.say('I ');
      const left = a.close();
      return { b, steered, session, neighbour, asked, call, left };
    }

    test('other sessions of its shard go on elsewhere, and its own next message is answered there', async () => {
      const { b, steered, session, neighbour, asked, call, left } = await leaving('ends');
      expect(await b.troupe.session(neighbour).send('count to 3')).toMatchObject({ answer: '1 2 3' });
      call.say('am done');
      call.end();
      expect(await asked).toMatchObject({ status: 'done', answer: 'I am done' });
      await left;
      expect(steered.calls).toHaveLength(1);
      expect(await b.troupe.session(session).send('count to 2')).toMatchObject({ answer: '1 2' });
      await settled(b);
    });

    test('it hears a takeover, and whoever takes over need not wait for the end', async () => {
      const { b, session, asked, call, left } = await leaving('taken');
      expect(await b.troupe.session(session).takeOver({ by: 'ann' })).toMatchObject({ holder: 'ann' });
      expect(call.signal.aborted).toBe(true);
      expect(await asked).toMatchObject({ status: 'suspended' });
      await left;
      expect(await b.troupe.session(session).state()).toMatchObject({ control: 'human', holder: 'ann' });
    });

    test('one that takes longer than it may is called for again elsewhere, with the same key', async () => {
      const { steered, asked, call, left } = await leaving('slow', { release_ms: 200 });
      const again = await steered.call(2);
      expect(again.key).toBe(call.key);
      expect(call.signal.aborted).toBe(true);
      again.say('I again');
      again.end();
      expect(await asked).toMatchObject({ status: 'done', answer: 'I again' });
      await left;
    });

    test('and dies over it, the answer begins anew elsewhere', async () => {
      const { b, steered, asked, call } = await leaving('dies');
      const a = nodes[0]!;
      await expect.poll(() => b.troupe.cluster!.view().shards.every(({ state }) => state === 'owned')).toBe(true);
      a.troupe.cluster!.stop();
      const again = await steered.call(2);
      expect(again.key).toBe(call.key);
      again.end();
      await asked;
    });
  });

  test('a shard that comes back while it is being handed over is owned again', async () => {
    const steered = new Steered();
    const a = await join({ id: 'stays', agents: [steered.agent] });
    await settled(a);
    const { cluster } = a.troupe;
    const keyOf = (session: string) => ({ tenant: 'default', session });
    const moves = (session: string) => place(cluster!.shardOf(keyOf(session)), ['stays', 'comes']) === 'comes';
    const session = Array.from({ length: 100 }, (_, index) => `back${index}`).find(moves)!;
    const asked = a.troupe.session(session).send('steer');
    const call = await steered.call(1);
    const b = await join({ id: 'comes', agents: [steered.agent] });
    const state = () => cluster!.view().shards[cluster!.shardOf(keyOf(session))]!.state;
    await expect.poll(state).toBe('releasing');
    await b.close();
    call.say('still here');
    call.end();
    expect(await asked).toMatchObject({ status: 'done', answer: 'still here' });
    await settled(a);
    expect(await a.troupe.session(session).state()).toMatchObject({ turn: 'idle' });
    expect(steered.calls).toHaveLength(1);
  });

  test('nodes that all leave at once do not wait for each other', async () => {
    const [a, b, c] = [await join(), await join(), await join()];
    await settled(a, b, c);
    await Promise.all([a, b, c].map((node) => node.close()));
    const alone = await join();
    await settled(alone);
    expect(alone.troupe.cluster!.view().nodes).toEqual([alone.id]);
  });

  test('a node that leaves does not wait for one that takes nothing either', async () => {
    const [a, b] = [await join(), await join()];
    await settled(a, b);
    b.troupe.cluster!.members.retire();
    await expect.poll(() => a.troupe.cluster!.members.takers()).toEqual([a.id]);
    await a.close();
    expect(b.troupe.cluster!.view().nodes).toContain(b.id);
  }, 25_000);

  test('what is still being answered when the last but one leaves is answered by the last', async () => {
    const steered = new Steered();
    const [a, b] = [await join({ agents: [steered.agent] }), await join({ agents: [steered.agent] })];
    await settled(a, b);
    const asked = b.troupe.session(sessionOn(a, 'lastbutone')).send('steer');
    const before = await steered.call(1);
    // It shall leave as well, so a need not wait for anything.
    b.troupe.cluster!.members.retire();
    await expect.poll(() => a.troupe.cluster!.members.takers()).toEqual([a.id]);
    await a.close();
    const again = await steered.call(2);
    expect(again.key).toBe(before.key);
    again.say('from the last');
    again.end();
    expect(await asked).toMatchObject({ status: 'done', answer: 'from the last' });
  });

  test('a request on a subject is answered by another node when its own is gone, also by one that was short of breath since', async () => {
    const steered = new Steered();
    let late = 0;
    const clock = { ...realClock, now: () => Date.now() + late };
    // It would tell after a while that it cannot answer; one that is gone tells nothing.
    const sharing = (cluster: NatsNode['cluster']) => ({ ...cluster, timing: { silence: 60_000 } });
    const [a, b] = [await join({ agents: [steered.agent], sharing }), await join({ agents: [steered.agent], clock })];
    await settled(a, b);
    const { transport } = b.nats;
    const subject = `troupe.default.session.${sessionOn(a, 'asked')}.message`;
    const asked = transport.request(subject, '{"content":"steer"}', { timeout: 30_000 });
    const before = await steered.call(1);
    const { members } = b.troupe.cluster!;
    const { steady } = members;
    late += 1_000;
    await expect.poll(() => members.steady).toBeGreaterThan(steady);
    a.troupe.cluster!.stop();
    const again = await steered.call(2);
    expect(again.key).toBe(before.key);
    again.say('from another');
    again.end();
    expect(JSON.parse(new TextDecoder().decode((await asked).data))).toMatchObject({ answer: 'from another' });
  });

  test('a node that oversleeps drops what it had, and its runs begin anew with the same key', async () => {
    const steered = new Steered();
    let slept = 0;
    const clock = { ...realClock, now: () => Date.now() + slept };
    // It takes a while to learn who has what by now; who waits for an answer is not turned away for that.
    const { sharing, slow } = slowly();
    const a = await join({ agents: [steered.agent], clock, sharing });
    await settled(a);
    const session = sessionOn(a, 'slept');
    const asked = a.troupe.session(session).send('steer');
    slow(500);
    const before = await steered.call(1);
    slept += 10_000;
    // Not a word from the moment it wakes up, before it has looked at its watch.
    before.say('from before');
    const again = await steered.call(2);
    expect(before.signal.aborted).toBe(true);
    expect(again.key).toBe(before.key);
    before.end();
    again.say('from now');
    again.end();
    expect(await asked).toMatchObject({ status: 'done', answer: 'from now' });
    expect((await a.troupe.session(session).history()).map(({ content }) => content)).toEqual(['steer', 'from now']);
  });

  test('of two nodes that both believe they own a session the stale one is refused, stops, and is not heard', async () => {
    const [old, young] = [new Steered(), new Steered()];
    const { sharing, end } = hearing();
    const a = await join({ agents: [old.agent], sharing });
    await settled(a);
    end();
    const session = sessionOn(a, 'stale');
    a.troupe
      .session(session)
      .send('steer')
      .catch(() => {});
    const stale = await old.call(1);
    stale.say('old ');

    const b = await join({ agents: [young.agent] });
    const c = await join({ agents: [young.agent] });
    const mine = { owner: Array.from({ length: 16 }, () => b.id), before: Array.from({ length: 16 }, () => null) };
    await b.nats.cluster.buckets.shards.put('assignment', JSON.stringify(mine));
    const fresh = await young.call(1);
    expect(fresh.key).toBe(stale.key);
    expect(a.troupe.cluster!.owns({ tenant: 'default', session })).toBe(true);

    const listening = heard(c, session, (item) => item.type === 'entry' && item.entry.state.endsWith('idle'));
    fresh.say('new ');
    stale.say('still old ');
    fresh.say('words');
    fresh.end();
    const words = (await listening).flatMap((item) => (item.type === 'part' ? [item.part.text] : []));
    expect(words.join('')).not.toContain('old');

    const believed = a.troupe.orchestrator.sessions().find(({ key }) => key.session === session)!;
    stale.end();
    await expect.poll(() => believed.stopped).toBe(true);
    expect(a.troupe.orchestrator.counts.broken).toBe(1);
    const lines = (await b.troupe.session(session).history()).map(({ content }) => content);
    expect(lines).toEqual(['steer', 'new words']);
    // It would wait in vain for the table that takes its shards from it.
    a.troupe.cluster!.stop();
  });
});

/** What a node shares with the others, but that some members of the bucket of shards are of the test's making. */
const sharingWith =
  (members: (bucket: KV) => { get?: KV['get']; watch?: (options: Parameters<KV['watch']>[0]) => Promise<object> }) =>
  (cluster: NatsNode['cluster']): NatsNode['cluster'] => {
    const shards = new Proxy(cluster.buckets.shards, {
      get(bucket, name) {
        const member = Reflect.get(members(bucket), name) ?? Reflect.get(bucket, name);
        return typeof member === 'function' ? member.bind(bucket) : member;
      },
    });
    return { ...cluster, buckets: { ...cluster.buckets, shards } };
  };

/** From `slow` on it takes so many ms to read who has what. */
function slowly() {
  let ms = 0;
  const sharing = sharingWith((bucket) => ({
    get: async (key) => {
      await pause(ms);
      return bucket.get(key);
    },
  }));
  return {
    sharing,
    slow: (by: number) => {
      ms = by;
    },
  };
}

/** What a node shares with the others, until it is deaf: then it does not hear any more who has what. */
function hearing() {
  let deaf = false;
  const sharing = sharingWith((bucket) => ({
    watch: (options) => watch(bucket, options),
    get: (key) => (deaf ? Promise.resolve(null) : bucket.get(key)),
  }));
  const watch = async (bucket: KV, options: Parameters<KV['watch']>[0]) => {
    const heard = await bucket.watch(options);
    const until = async function* () {
      for await (const change of heard) if (!deaf) yield change;
    };
    return Object.assign(until(), { stop: () => heard.stop() });
  };
  return {
    sharing,
    end: () => {
      deaf = true;
    },
  };
}
