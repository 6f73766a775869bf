// Heartbeats: a process that starts and says so is an agent; its instances together are as loaded as they say.
import { afterEach, describe, expect, it } from 'vitest';
import { AgentPool } from '../src/agents/pool.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { Heartbeats } from '../src/routing/heartbeats.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';

let troupe: Troupe | undefined;
afterEach(async () => {
  await troupe?.close();
  troupe = undefined;
});

async function started(journal = memoryJournal()) {
  const transport = memoryTransport();
  troupe = await createTroupe({
    transport,
    journal,
    agents: [
      { id: 'echo', run: (text) => text },
      { id: 'far', kind: 'nats' },
    ],
  });
  const beat = async (agent: string, body: object, tenant = 'default') => {
    const { data, headers } = await transport.request(
      `troupe.${tenant}.agent.${agent}.heartbeat`,
      JSON.stringify(body),
    );
    return { code: headers?.['Nats-Service-Error-Code'], text: new TextDecoder().decode(data) };
  };
  return { transport, troupe, beat };
}

describe('a heartbeat on its subject', () => {
  it('makes a process that nobody declared an agent of that tenant, which messages can name', async () => {
    const { transport, troupe, beat } = await started();
    transport.subscribe('troupe.acme.agent.newcomer.invoke', ({ reply }) => transport.publish(reply!, 'here I am'), {
      queue: 'agents',
    });
    expect(await beat('newcomer', { instance_id: 'i1' }, 'acme')).toEqual({ code: undefined, text: '' });
    const outcome = await troupe.session('s1', { tenant: 'acme' }).send('hello', { agent_id: 'newcomer' });
    expect(outcome).toMatchObject({ status: 'done', answer: 'here I am', agent_id: 'newcomer' });
    expect(troupe.pool.get('default', 'newcomer')).toBeUndefined();
  });

  it('makes it known for good: after a restart before it gives another sign, until it is deregistered', async () => {
    // It outlives the first of its two runtimes.
    const journal = { ...memoryJournal(), close: async () => {} };
    const { beat, troupe: before } = await started(journal);
    await beat('newcomer', { instance_id: 'i1', capacity: 2 });
    await before.close();

    const { transport, troupe, beat: again } = await started(journal);
    transport.subscribe('troupe.default.agent.newcomer.invoke', ({ reply }) => transport.publish(reply!, 'still here'));
    const outcome = await troupe.session('s1').send('hello', { agent_id: 'newcomer' });
    expect(outcome).toMatchObject({ status: 'done', answer: 'still here' });

    await again('newcomer', { instance_id: 'i1', capacity: 2 });
    await troupe.deregisterAgent('default', 'newcomer');
    expect(troupe.pool.get('default', 'newcomer')).toBeUndefined();
    await expect(troupe.deregisterAgent('default', 'newcomer')).rejects.toMatchObject({ status: 404 });
    await again('newcomer', { instance_id: 'i1', capacity: 2 });
    expect(troupe.pool.get('default', 'newcomer')!.view().endpoints).toMatchObject([{ id: 'subject', capacity: 2 }]);
  });

  it('says nothing against an agent that is registered behind HTTP, which may take its place', async () => {
    const { troupe, beat } = await started();
    await beat('desk', { instance_id: 'i1' });
    const known = troupe.pool.get('default', 'desk');
    await beat('desk', { instance_id: 'i2' });
    expect(troupe.pool.get('default', 'desk')).toBe(known);
    const endpoints = [{ id: 'one', url: 'http://127.0.0.1:9/' }];
    await troupe.registerAgent('default', { agent_id: 'desk', kind: 'http', endpoints }, { join: true });
    expect(await beat('desk', { instance_id: 'i1' })).toMatchObject({ code: '404' });
    expect(await beat('desk', { instance_id: 'one' })).toMatchObject({ code: undefined });
  });

  it('leaves an agent that was declared as it is, and says what it carries', async () => {
    const { troupe, beat } = await started();
    const before = troupe.pool.get('default', 'far');
    await beat('far', { instance_id: 'i1', in_flight: 2, capacity: 3, ts: Date.now(), interval_s: 10 });
    expect(troupe.pool.get('default', 'far')).toBe(before);
    expect(before!.view().endpoints).toMatchObject([{ id: 'subject', capacity: 3, state: 'available.busy' }]);
  });

  it('is refused with a reason when it is wrong', async () => {
    const { troupe, beat } = await started();
    expect(await beat('echo', { instance_id: 'i1' })).toMatchObject({ code: '404' });
    expect(await beat('far', { instance_id: 'I 1' })).toMatchObject({ code: '400' });
    expect(await beat('Far', { instance_id: 'i1' })).toMatchObject({ code: '400' });
    expect(await beat('far', { instance_id: 'i1', capacity: 0 })).toMatchObject({ code: '400' });
    expect(troupe.pool.agents('default').map(({ id }) => id)).toEqual(['echo', 'far']);
  });
});

describe('the instances of an agent on its subject', () => {
  it('have together the capacity and the calls of all that are still heard of', () => {
    const clock = new SteppedClock();
    const transport = memoryTransport({ clock });
    const pool = new AgentPool({ clock, transport });
    const heartbeats = new Heartbeats(pool);
    const beat = (instance_id: string, in_flight: number) => {
      void heartbeats.hear('default', 'team', { instance_id, in_flight, capacity: 2, interval_s: 10 });
    };
    const endpoint = () => pool.get('default', 'team')!.view().endpoints[0]!;

    beat('ann', 2);
    expect(endpoint()).toMatchObject({ capacity: 2, state: 'available.saturated' });
    beat('bob', 0);
    expect(endpoint()).toMatchObject({ capacity: 4, state: 'available.busy' });
    clock.advance(20_000);
    beat('bob', 1);
    clock.advance(10_000);
    beat('bob', 1);
    expect(endpoint()).toMatchObject({ capacity: 2, state: 'available.busy' });

    clock.advance(25_000);
    expect(endpoint().state).toBe('suspect');
    clock.advance(25_000);
    expect(endpoint().state).toBe('unavailable');
    beat('ann', 0);
    expect(endpoint()).toMatchObject({ capacity: 2, state: 'available.idle' });
    pool.stop();
  });
});
