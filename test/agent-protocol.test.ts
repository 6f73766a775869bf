// The Synadia Agent Protocol for NATS: what a client of it finds, and what it hears when it prompts an agent.
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { connectNats } from '../src/nats/connect.ts';
import { natsPort } from '../src/nats/port.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { scripted, streamed } from '../src/testing/scripted.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import { natsTransport } from '../src/transport/nats.ts';
import type { Message, Transport } from '../src/transport/transport.ts';
import { createTroupe, type TroupeOptions } from '../src/troupe.ts';

const echo: AgentDefinition = { id: 'echo', description: 'Says it again.', run: (text) => `you said ${text}` };
const booking: AgentDefinition = {
  id: 'booking',
  run: (said, { call }) => (call.task ? `Booked: ${said}.` : { type: 'input_required', prompt: 'Where?', task: 1 }),
};
const refunds: AgentDefinition = {
  id: 'refunds',
  run: (_, { call }) =>
    call.decision
      ? JSON.stringify(call.decision)
      : { type: 'approval_required', action: 'refund', summary: 'Refund 400 €?' },
};
const maps: AgentDefinition = {
  id: 'maps',
  run: () => ({ type: 'tool_required', name: 'locate', arguments: {} }),
};
const broken: AgentDefinition = {
  id: 'broken',
  run: () => {
    throw new Error('no\ndisk');
  },
};
const agents = [echo, booking, refunds, maps, broken];

async function offering(options: TroupeOptions = {}) {
  const transport = memoryTransport({ clock: options.clock });
  const troupe = await createTroupe({
    agents,
    transport,
    settings: { attempts: 1 },
    handleNoMatch: () => 'nothing',
    agent_protocol: true,
    ...options,
  });
  let isOpen = true;
  const close = async () => {
    if (isOpen) await troupe.close();
    isOpen = false;
  };
  onTestFinished(close);
  return { troupe, transport, close };
}

const text = ({ data }: Message) => new TextDecoder().decode(data);

/** Collects the answers to one request until `enough` have come, as many services answer one. */
async function gather(transport: Transport, subject: string, enough: number): Promise<any[]> {
  const heard: any[] = [];
  const inbox = `_INBOX.${crypto.randomUUID()}`;
  const subscription = transport.subscribe(inbox, (message) => heard.push(JSON.parse(text(message))));
  await transport.flush();
  transport.publish(subject, '', { reply: inbox });
  await expect.poll(() => heard.length).toBe(enough);
  subscription.unsubscribe();
  return heard;
}

interface Answered {
  /** The chunks, as they came. */
  readonly chunks: any[];
  readonly said: string;
  readonly error?: { readonly code: string; readonly description: string; readonly body: any };
}

/** Prompts as the protocol has it: everything up to the message that has neither body nor headers. */
async function prompt(transport: Transport, agent: string, envelope: unknown, tenant = 'default'): Promise<Answered> {
  const chunks: any[] = [];
  let error: Answered['error'];
  let isOver = false;
  const inbox = `_INBOX.${crypto.randomUUID()}`;
  const subscription = transport.subscribe(inbox, (message) => {
    const { headers = {} } = message;
    const code = headers['Nats-Service-Error-Code'];
    expect(isOver).toBe(false);
    if (code) error = { code, description: headers['Nats-Service-Error']!, body: JSON.parse(text(message)) };
    else if (message.data.byteLength === 0) isOver = true;
    else chunks.push(JSON.parse(text(message)));
  });
  await transport.flush();
  const payload = typeof envelope === 'string' ? envelope : JSON.stringify(envelope);
  transport.publish(`agents.prompt.troupe.${tenant}.${agent}`, payload, { reply: inbox });
  await expect.poll(() => isOver).toBe(true);
  subscription.unsubscribe();
  const said = chunks.flatMap(({ type, data }) => (type === 'response' ? [data] : [])).join('');
  return { chunks, said, ...(error && { error }) };
}

describe('who looks for agents', () => {
  test('finds each of them with where it is prompted and what it takes', async () => {
    const { transport } = await offering();
    const infos = await gather(transport, '$SRV.INFO.agents', agents.length);
    const info = infos.find(({ metadata }) => metadata.session === 'echo');
    expect(info).toMatchObject({
      type: 'io.nats.micro.v1.info_response',
      name: 'agents',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      description: 'Says it again.',
      metadata: { agent: 'troupe', owner: 'default', session: 'echo', protocol_version: '0.3' },
      endpoints: [
        {
          name: 'prompt',
          subject: 'agents.prompt.troupe.default.echo',
          queue_group: 'agents',
          metadata: { max_payload: '1MB', attachments_ok: 'false' },
        },
        { name: 'status', subject: 'agents.status.troupe.default.echo', queue_group: 'agents', metadata: {} },
      ],
    });
    const [ping] = await gather(transport, `$SRV.PING.agents.${info.id}`, 1);
    expect(ping.id).toBe(info.id);
  });

  test('hears each of them beat at once and again, and asks how it is', async () => {
    const clock = new SteppedClock(1_000_000);
    const transport = memoryTransport({ clock });
    const beats: any[] = [];
    transport.subscribe('agents.hb.*.*.*', (message) => beats.push([message.subject, JSON.parse(text(message))]));
    const { close } = await offering({ transport, clock, agents: [echo], agent_protocol: { interval_s: 5 } });
    await expect.poll(() => beats.length).toBe(1);
    const [info] = await gather(transport, '$SRV.INFO.agents', 1);
    const beat = {
      agent: 'troupe',
      owner: 'default',
      session: 'echo',
      instance_id: info.id,
      ts: '1970-01-01T00:16:40.000Z',
      interval_s: 5,
    };
    expect(beats).toEqual([['agents.hb.troupe.default.echo', beat]]);
    clock.advance(5_000);
    await expect.poll(() => beats.length).toBe(2);
    const status = await transport.request('agents.status.troupe.default.echo', '');
    expect(JSON.parse(text(status))).toEqual({ ...beat, ts: '1970-01-01T00:16:45.000Z' });
    await close();
  });

  test('finds an agent that was registered later, and one that is gone no more', async () => {
    const clock = new SteppedClock();
    const { troupe, transport } = await offering({ clock, agents: [echo] });
    await troupe.registerAgent('default', { agent_id: 'far', kind: 'nats' });
    clock.advance(30_000);
    const names = async (count: number) =>
      (await gather(transport, '$SRV.INFO.agents', count)).map(({ metadata }) => metadata.session).sort();
    expect(await names(2)).toEqual(['echo', 'far']);
    await troupe.deregisterAgent('default', 'far');
    clock.advance(30_000);
    expect(await names(1)).toEqual(['echo']);
  });

  test('finds nobody where it was not asked for, or after the end', async () => {
    const { transport } = await offering({ agent_protocol: false });
    expect(transport.hears!('agents.prompt.troupe.default.echo')).toBe(false);
    const { transport: other, close } = await offering();
    expect(other.hears!('agents.prompt.troupe.default.echo')).toBe(true);
    await close();
    expect(() => other.publish('a', '')).toThrow();
  });
});

describe('a prompt', () => {
  test('is acknowledged first, answered in chunks, and ended with the empty message', async () => {
    const { transport } = await offering();
    expect((await prompt(transport, 'echo', 'hello')).chunks).toEqual([
      { type: 'status', data: 'ack' },
      { type: 'response', data: 'you said hello' },
    ]);
    expect((await prompt(transport, 'echo', { prompt: 'hello', extra: 1 })).said).toBe('you said hello');
  });

  test('is answered as the answer is written', async () => {
    const agent = scripted('slow', [streamed('One ', 'two ', 'three.')]);
    const { transport } = await offering({ agents: [agent] });
    const answered = prompt(transport, 'slow', 'count');
    for (let n = 0; n < 3; n += 1) {
      await expect.poll(() => steps(agent)).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { chunks } = await answered;
    expect(chunks.slice(1).map(({ data }) => data)).toEqual(['One ', 'two ', 'three.']);
  });

  test('goes on with the conversation that it names; without one it begins its own', async () => {
    const counting: AgentDefinition = { id: 'c', run: async (_, { history }) => `after ${(await history()).length}` };
    const { transport } = await offering({ agents: [counting] });
    expect((await prompt(transport, 'c', { prompt: 'a', session: 's1' })).said).toBe('after 0');
    expect((await prompt(transport, 'c', { prompt: 'b', session: 's1' })).said).toBe('after 2');
    expect((await prompt(transport, 'c', 'c')).said).toBe('after 0');
  });

  test('is answered with a question where the agent has one; the next prompt is the answer', async () => {
    const { transport } = await offering();
    expect((await prompt(transport, 'booking', { prompt: 'book', session: 's1' })).said).toBe('Where?');
    expect((await prompt(transport, 'booking', { prompt: 'Rome', session: 's1' })).said).toBe('Booked: Rome.');
  });

  test('may have to be approved, by the next prompt', async () => {
    const { transport } = await offering();
    const asked = await prompt(transport, 'refunds', { prompt: 'refund', session: 's1' });
    expect(asked.said).toBe('Refund 400 €? (yes or no)');
    const unclear = await prompt(transport, 'refunds', { prompt: 'perhaps', session: 's1' });
    expect(unclear.error).toMatchObject({ code: '400', description: expect.stringContaining('say yes or no') });
    const { said } = await prompt(transport, 'refunds', { prompt: 'Yes.', session: 's1' });
    expect(JSON.parse(said)).toEqual({ kind: 'approval', decision: 'approve', by: 'nats' });
  });

  test('whose answer takes long is kept alive', async () => {
    const clock = new SteppedClock();
    const agent = scripted('slow', [streamed('', 'done')]);
    const { transport } = await offering({ agents: [agent], clock, agent_protocol: { interval_s: 10 } });
    const answered = prompt(transport, 'slow', 'go');
    await expect.poll(() => agent.calls.length).toBe(1);
    clock.advance(20_000);
    await expect.poll(() => steps(agent)).toBe(true);
    await expect.poll(() => steps(agent)).toBe(true);
    expect((await answered).chunks.map(({ data }) => data)).toEqual(['ack', 'ack', 'ack', 'done']);
  });

  test.each<[string, string, unknown, string, string]>([
    ['nothing', 'echo', '', '400', 'must not be empty'],
    ['half an envelope', 'echo', '{"prompt":', '400', 'the envelope is not JSON'],
    ['an envelope without a prompt', 'echo', { text: 'hi' }, '400', 'envelope.prompt'],
    ['attachments', 'echo', { prompt: 'hi', attachments: [{}] }, '400', 'are not taken'],
    ['a session that is no token', 'echo', { prompt: 'hi', session: 'A b' }, '400', 'envelope.session'],
    ['what the agent fails at', 'broken', 'hi', '502', 'no | disk'],
    ['what needs a tool of the caller', 'maps', 'hi', '409', 'This protocol has no way to do so'],
  ])('with %s is refused with its code, and ended all the same', async (_, agent, envelope, code, sentence) => {
    const { transport } = await offering();
    const { error } = await prompt(transport, agent, envelope);
    expect([error!.code, error!.body.code]).toEqual([code, Number(code)]);
    expect(error!.description).toContain(sentence);
    expect(error!.description).not.toContain('\n');
  });

  test('to a conversation that a person has is kept, and says so', async () => {
    const { troupe, transport } = await offering();
    await prompt(transport, 'echo', { prompt: 'hi', session: 's1' });
    await troupe.session('s1').takeOver({ by: 'ann' });
    const { error } = await prompt(transport, 'echo', { prompt: 'hello?', session: 's1' });
    expect(error).toMatchObject({ code: '409', description: expect.stringContaining('a person has the conversation') });
    expect((await troupe.session('s1').state()).waiting).toBe(1);
  });

  test('of a long answer comes in messages that fit, whole characters each', async () => {
    const long = '🦊'.repeat(200_000);
    const { transport } = await offering({ agents: [{ id: 'long', run: () => long }] });
    const { chunks, said } = await prompt(transport, 'long', 'go');
    expect(said).toBe(long);
    for (const { data } of chunks.slice(1)) expect(data.isWellFormed()).toBe(true);
    expect(chunks.length).toBeGreaterThan(2);
  });
});

/** Lets the next piece out where there is one. */
function steps(agent: { step(): void }): boolean {
  try {
    agent.step();
    return true;
  } catch {
    return false;
  }
}

test('over the wire of NATS it is the same', async () => {
  const { transport } = await offering();
  const port = await natsPort(transport, { port: 0 });
  const connection = await connectNats({ servers: `nats://127.0.0.1:${port.port}` });
  onTestFinished(async () => {
    await connection.close();
    await port.close();
  });
  const client = natsTransport(connection);
  expect((await gather(client, '$SRV.INFO.agents', agents.length)).length).toBe(agents.length);
  expect((await prompt(client, 'echo', 'hello')).said).toBe('you said hello');
});
