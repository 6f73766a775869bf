// Sessions on subjects: any client of the transport can talk to one, steer it, watch it, and be an agent.
import { describe, expect, it } from 'vitest';
import { memoryTransport } from '../src/transport/memory.ts';
import type { Message, Transport } from '../src/transport/transport.ts';
import { createTroupe } from '../src/troupe.ts';

const decode = (message: Message) => JSON.parse(new TextDecoder().decode(message.data));
const ask = async (transport: Transport, subject: string, body: unknown = {}, headers = {}) => {
  const message = await transport.request(subject, JSON.stringify(body), { headers });
  return { body: decode(message), headers: message.headers ?? {} };
};

async function withTroupe(use: (transport: Transport) => Promise<void>): Promise<void> {
  const transport = memoryTransport();
  const troupe = await createTroupe({
    transport,
    settings: { backoff_ms: 1, attempts: 2 },
    agents: [
      { id: 'echo', triggers: ['hello'], run: (text) => `you said ${text}` },
      { id: 'far', kind: 'nats', triggers: ['far'] },
    ],
  });
  await use(transport);
  await troupe.close();
}

const reply = (transport: Transport, request: Message, ...messages: unknown[]): void => {
  for (const message of messages)
    transport.publish(request.reply!, typeof message === 'string' ? message : JSON.stringify(message));
};

describe('a session on its subjects', () => {
  it('answers a message with the body of the HTTP answer', () =>
    withTroupe(async (transport) => {
      const { body } = await ask(transport, 'troupe.default.session.s1.message', { content: 'hello you' });
      expect(body).toMatchObject({ status: 'done', answer: 'you said hello you', run_id: 's1-r1' });
    }));

  it('is paused, taken over, spoken for and released, and tells each as an event', () =>
    withTroupe(async (transport) => {
      const heard: string[] = [];
      transport.subscribe('troupe.default.session.s1.event.>', (message) => {
        const { type, control } = decode(message);
        if (type === 'control_changed' || type === 'supervisor_message') heard.push(control ?? type);
      });
      const verb = (name: string, body = {}) => ask(transport, `troupe.default.session.s1.${name}`, body);
      await verb('message', { content: 'hello' });
      expect((await verb('pause')).body.control).toBe('paused');
      expect((await verb('takeover', { by: 'ann' })).body).toMatchObject({ control: 'human', holder: 'ann', epoch: 1 });
      await verb('inject', { content: 'Ann here', by: 'ann' });
      expect((await verb('release')).body).toMatchObject({ control: 'automated', epoch: 2 });
      expect((await verb('get')).body.control).toBe('automated');
      await transport.flush();
      expect(heard).toEqual(['paused', 'human', 'supervisor_message', 'automated']);
    }));

  it('refuses with the service headers and the body of the HTTP problem', () =>
    withTroupe(async (transport) => {
      const cases = [
        ['troupe.default.session.nobody.get', {}, 404, 'unknown_session'],
        ['troupe.default.session.s1.resume', {}, 404, 'unknown_session'],
        ['troupe.default.session.s1.dance', {}, 404, 'unknown_verb'],
        ['troupe.default.session.S1.message', { content: 'hello' }, 400, 'bad_request'],
        ['troupe.default.session.s1.message', { text: 'hello' }, 400, 'bad_request'],
      ] as const;
      for (const [subject, body, status, code] of cases) {
        const refused = await ask(transport, subject, body);
        expect(refused.body, subject).toMatchObject({ status, code });
        expect(refused.headers['Nats-Service-Error-Code'], subject).toBe(String(status));
        expect(refused.headers['Nats-Service-Error'], subject).toBe(refused.body.detail);
      }
      const garbage = await transport.request('troupe.default.session.s1.message', '{"content":');
      expect(decode(garbage)).toMatchObject({ status: 400, code: 'bad_json' });
    }));

  it('takes a repeated message once', () =>
    withTroupe(async (transport) => {
      const headers = { 'Nats-Msg-Id': 'only-once' };
      const first = await ask(transport, 'troupe.default.session.s1.message', { content: 'hello' }, headers);
      const again = await ask(transport, 'troupe.default.session.s1.message', { content: 'hello' }, headers);
      expect(again.body.run_id).toBe(first.body.run_id);
      expect(again.body.answer).toBe(first.body.answer);
    }));
});

describe('an agent on its subject', () => {
  const call = (transport: Transport) =>
    ask(transport, 'troupe.default.session.s1.message', { content: 'go far' }).then(({ body }) => body);

  it('streams its answer', () =>
    withTroupe(async (transport) => {
      const parts: string[] = [];
      transport.subscribe('troupe.default.session.s1.event.agent_stream_delta', (message) => {
        parts.push(decode(message).text);
      });
      transport.subscribe(
        'troupe.default.agent.far.invoke',
        (request) => {
          const { input, run_id, idempotency_key, attempt } = decode(request);
          expect({ run_id, attempt, idempotency_key }).toEqual({
            run_id: 's1-r1',
            attempt: 1,
            idempotency_key: expect.stringContaining('default/s1#1.'),
          });
          const [delta, rest] = [
            { type: 'delta', text: 'you said ' },
            { type: 'delta', text: input[0].content },
          ];
          reply(transport, request, delta, rest, { type: 'done' });
        },
        { queue: 'agents' },
      );
      expect(await call(transport)).toMatchObject({ status: 'done', answer: 'you said go far' });
      expect(parts.join('')).toBe('you said go far');
    }));

  it('may answer in one plain reply', () =>
    withTroupe(async (transport) => {
      transport.subscribe('troupe.default.agent.far.invoke', (request) => reply(transport, request, 'plain words'));
      expect(await call(transport)).toMatchObject({ status: 'done', answer: 'plain words' });
    }));

  it('that nobody is, is known at once and fails the run', () =>
    withTroupe(async (transport) => {
      expect(await call(transport)).toMatchObject({ status: 'failed', error: { code: 'no_responders' } });
    }));

  it('that sends garbage or an error fails the attempt with a reason', () =>
    withTroupe(async (transport) => {
      const answers: unknown[] = [
        { type: 'what' },
        { type: 'error', code: 'tired', message: 'not now', retryable: false },
      ];
      transport.subscribe('troupe.default.agent.far.invoke', (request) => reply(transport, request, answers.shift()));
      const { status, error, trace } = await call(transport);
      const failures = trace.filter(({ type }: { type: string }) => type === 'agent_invoke_failed');
      expect(failures.map(({ code }: { code: string }) => code)).toEqual(['bad_answer', 'tired']);
      expect({ status, error }).toMatchObject({ status: 'failed', error: { code: 'tired', message: 'not now' } });
    }));

  it('is told to stop when the run leaves it', () =>
    withTroupe(async (transport) => {
      const stopped = Promise.withResolvers<string>();
      transport.subscribe('troupe.default.agent.far.cancel.*', ({ subject }) => stopped.resolve(subject));
      transport.subscribe('troupe.default.agent.far.invoke', () => {
        void ask(transport, 'troupe.default.session.s1.takeover', { by: 'ann' });
      });
      expect(await call(transport)).toMatchObject({ status: 'suspended', state: { control: 'human' } });
      expect(await stopped.promise).toBe('troupe.default.agent.far.cancel.s1-r1');
    }));
});
