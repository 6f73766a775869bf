// What every transport keeps, as facts: the one suite that runs over memory, nats-server and whatever comes next.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BadSubject, type Message, NoResponders, RequestTimeout, type Transport } from '../src/transport/transport.ts';

/** Opens a transport that nobody else uses. `onError` must be told what handlers throw. */
export type MakeTransport = (onError: (error: unknown, message: Message) => void) => Transport | Promise<Transport>;

const text = ({ data }: Message): string => new TextDecoder().decode(data);

export function transportConformance(name: string, make: MakeTransport): void {
  describe(`${name} transport`, () => {
    let transport: Transport;
    let errors: unknown[];

    beforeEach(async () => {
      errors = [];
      transport = await make((error) => errors.push(error));
    });

    afterEach(() => transport.close());

    /** Subscribes and keeps what comes. */
    function hear(subject: string, queue?: string): Message[] {
      const heard: Message[] = [];
      transport.subscribe(subject, (message) => heard.push(message), { queue });
      return heard;
    }

    describe('publish and subscribe', () => {
      test('a message reaches every subscription that matches it, once each', async () => {
        const heard = ['a.b', 'a.b', 'a.*', '*.b', 'a.>', '>', '*.*'].map((subject) => hear(subject));
        transport.publish('a.b', 'x');
        await transport.flush();
        expect(heard.map((messages) => messages.map((message) => message.subject))).toEqual(heard.map(() => ['a.b']));
      });

      test('a message reaches no subscription that does not match it', async () => {
        const heard = ['a', 'a.b.c', 'a.c', 'A.b', '*', 'a.b.*', 'a.b.>', '*.*.*', 'b.>'].map((subject) =>
          hear(subject),
        );
        transport.publish('a.b', 'x');
        await transport.flush();
        expect(heard.flat()).toEqual([]);
      });

      test('a wildcard inside a longer token is an ordinary character', async () => {
        const heard = hear('a*.b>');
        transport.publish('a*.b>', 'yes');
        transport.publish('ax.by', 'no');
        await transport.flush();
        expect(heard.map(text)).toEqual(['yes']);
      });

      test('nothing published before the subscription is heard', async () => {
        transport.publish('a', 'early');
        const heard = hear('a');
        transport.publish('a', 'late');
        await transport.flush();
        expect(heard.map(text)).toEqual(['late']);
      });

      test('nothing is heard after unsubscribe, not even what was published before it', async () => {
        const heard: string[] = [];
        for (const subject of ['a', '*']) {
          const subscription = transport.subscribe(subject, (message) => heard.push(text(message)));
          expect(subscription.subject).toBe(subject);
          transport.publish('a', 'x');
          subscription.unsubscribe();
          subscription.unsubscribe();
        }
        transport.publish('a', 'y');
        await transport.flush();
        expect(heard).toEqual([]);
      });

      test('unsubscribing leaves the other subscriptions to the same subject alone', async () => {
        const heard = hear('a.*');
        transport.subscribe('a.*', () => {}).unsubscribe();
        transport.publish('a.b', 'x');
        await transport.flush();
        expect(heard).toHaveLength(1);
      });

      test('the order of a publisher is kept, over all subjects of a subscription', async () => {
        const heard = hear('n.*');
        const sent = Array.from({ length: 5000 }, (_, i) => String(i));
        for (const i of sent) transport.publish(`n.${Number(i) % 7}`, i);
        await transport.flush();
        expect(heard.map(text)).toEqual(sent);
      });

      test('publish returns before any handler runs', async () => {
        const steps: string[] = [];
        transport.subscribe('a', () => steps.push('heard'));
        transport.publish('a', 'x');
        steps.push('published');
        await transport.flush();
        expect(steps).toEqual(['published', 'heard']);
      });

      test('a handler may publish, subscribe and unsubscribe', async () => {
        const heard = hear('b');
        const once = transport.subscribe('a', () => {
          once.unsubscribe();
          transport.subscribe('c', () => transport.publish('b', 'from the new subscription'));
          transport.publish('b', 'from the handler');
          transport.publish('c', '');
        });
        transport.publish('a', '');
        transport.publish('a', '');
        await expect.poll(() => heard.map(text)).toEqual(['from the handler', 'from the new subscription']);
      });

      test('two handlers that answer each other without end do not stop the clock', async () => {
        const ping = transport.subscribe('ping', () => transport.publish('pong', ''));
        transport.subscribe('pong', () => transport.publish('ping', ''));
        transport.publish('ping', '');
        await sleep(20);
        ping.unsubscribe();
      });

      test('a handler that throws, now or later, does not disturb others and is reported', async () => {
        transport.subscribe('a', () => {
          throw new Error('now');
        });
        transport.subscribe('a', async () => {
          throw new Error('later');
        });
        const heard = hear('a');
        transport.publish('a', '1');
        transport.publish('a', '2');
        await transport.flush();
        expect(heard.map(text)).toEqual(['1', '2']);
        await expect
          .poll(() => errors.map(String).sort())
          .toEqual(['Error: later', 'Error: later', 'Error: now', 'Error: now']);
      });
    });

    describe('what a message carries', () => {
      test('a string arrives as UTF-8', async () => {
        const heard = hear('a');
        transport.publish('a', 'grüße, 世界 🎭');
        await transport.flush();
        expect(heard.map(text)).toEqual(['grüße, 世界 🎭']);
      });

      test('bytes arrive as they were at the time of publishing', async () => {
        const heard = hear('a');
        const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
        transport.publish('a', bytes);
        bytes.fill(7);
        await transport.flush();
        expect([...heard[0]!.data]).toEqual(Array.from({ length: 256 }, (_, i) => i));
      });

      test('an empty message is a message', async () => {
        const heard = hear('a');
        transport.publish('a', '');
        transport.publish('a', new Uint8Array());
        await transport.flush();
        expect(heard.map(({ data }) => data.length)).toEqual([0, 0]);
      });

      test('headers and the reply subject arrive; without them there are none', async () => {
        const heard = hear('a');
        hear('answers');
        transport.publish('a', '', { headers: { 'Nats-Msg-Id': 'm1', traceparent: '00-ab' }, reply: 'answers' });
        transport.publish('a', '');
        await transport.flush();
        expect(heard.map(({ headers, reply }) => ({ headers, reply }))).toEqual([
          { headers: { 'Nats-Msg-Id': 'm1', traceparent: '00-ab' }, reply: 'answers' },
          { headers: undefined, reply: undefined },
        ]);
      });
    });

    describe('subjects', () => {
      const neither = ['', '.', 'a.', '.a', 'a..b', 'a b', ' a', 'a\tb', 'a\nb', 'a\r\nb', 'a.\0', ' '];

      test.each([...neither, '*', '>', 'a.*', 'a.*.b', 'a.>'])('%j cannot be published to', async (subject) => {
        expect(() => transport.publish(subject, '')).toThrow(BadSubject);
        expect(() => transport.publish('a', '', { reply: subject })).toThrow(BadSubject);
        await expect(transport.request(subject, '')).rejects.toThrow(BadSubject);
      });

      test.each([...neither, '>.a', 'a.>.b', '>.>'])('%j cannot be subscribed to', (subject) => {
        expect(() => transport.subscribe(subject, () => {})).toThrow(BadSubject);
      });

      test.each(['', 'a b', 'a\n'])('%j is no queue group', (queue) => {
        expect(() => transport.subscribe('a', () => {}, { queue })).toThrow(BadSubject);
      });
    });

    describe('queue groups', () => {
      test('exactly one member gets each message, and all members get some', async () => {
        const members = [1, 2, 3, 4].map(() => hear('work', 'workers'));
        for (let i = 0; i < 1000; i++) transport.publish('work', String(i));
        await transport.flush();
        const all = members.flat().map(text);
        expect(new Set(all).size).toBe(1000);
        expect(all).toHaveLength(1000);
        for (const member of members) expect(member.length).toBeGreaterThan(100);
      });

      test('each group gets the message, and so does everybody outside of groups', async () => {
        const red = [hear('work', 'red'), hear('work', 'red')];
        const blue = [hear('work', 'blue'), hear('work', 'blue')];
        const alone = [hear('work'), hear('*')];
        for (let i = 0; i < 10; i++) transport.publish('work', String(i));
        await transport.flush();
        expect(red.flat()).toHaveLength(10);
        expect(blue.flat()).toHaveLength(10);
        expect(alone.map((messages) => messages.length)).toEqual([10, 10]);
      });

      test('members of one group that subscribed to different patterns are one group', async () => {
        const members = ['work.a', 'work.*', '>'].map((subject) => hear(subject, 'workers'));
        for (let i = 0; i < 100; i++) transport.publish('work.a', String(i));
        await transport.flush();
        expect(members.flat()).toHaveLength(100);
      });

      test('a member that left gets nothing more; the others get all', async () => {
        const left: Message[] = [];
        const member = transport.subscribe('work', (message) => left.push(message), { queue: 'workers' });
        const stayed = hear('work', 'workers');
        member.unsubscribe();
        for (let i = 0; i < 50; i++) transport.publish('work', String(i));
        await transport.flush();
        expect([left.length, stayed.length]).toEqual([0, 50]);
      });
    });

    describe('requests', () => {
      /** Answers every request on the subject. */
      function serve(subject: string, answer: (message: Message) => string, queue?: string): void {
        transport.subscribe(subject, (message) => transport.publish(message.reply!, answer(message)), { queue });
      }

      test('a request brings the reply, with its headers', async () => {
        transport.subscribe('greet', (message) => {
          transport.publish(message.reply!, `hello ${text(message)}`, { headers: { seen: message.headers!.asked! } });
        });
        const reply = await transport.request('greet', 'world', { headers: { asked: 'yes' } });
        expect(text(reply)).toBe('hello world');
        expect(reply.headers).toEqual({ seen: 'yes' });
      });

      test('each of many requests at once gets its own reply', async () => {
        serve('echo', text, 'servers');
        serve('echo', text, 'servers');
        const asked = Array.from({ length: 200 }, (_, i) => String(i));
        const replies = await Promise.all(asked.map((i) => transport.request('echo', i)));
        expect(replies.map(text)).toEqual(asked);
      });

      test('the first reply counts', async () => {
        serve('who', () => 'first');
        serve('who', () => 'second');
        expect(['first', 'second']).toContain(text(await transport.request('who', '')));
      });

      test('when nobody listens the request fails at once', async () => {
        const started = performance.now();
        const refusal = transport.request('nobody.home', '', { timeout: 10_000 });
        await expect(refusal).rejects.toThrow(NoResponders);
        await expect(refusal).rejects.toMatchObject({ subject: 'nobody.home' });
        expect(performance.now() - started).toBeLessThan(1000);
      });

      test('when the last listener has left the request fails at once', async () => {
        transport.subscribe('home', () => {}).unsubscribe();
        await expect(transport.request('home', '')).rejects.toThrow(NoResponders);
      });

      test('when nobody answers in time the request fails, and a late reply goes nowhere', async () => {
        const heard = hear('silent');
        await expect(transport.request('silent', '', { timeout: 20 })).rejects.toThrow(RequestTimeout);
        transport.publish(heard[0]!.reply!, 'late');
        await transport.flush();
        expect(errors).toEqual([]);
      });

      test('a message that names a reply subject and is heard by nobody is answered there with status 503', async () => {
        const replies = hear('answers.1');
        transport.publish('nobody.home', '', { reply: 'answers.1' });
        await expect
          .poll(() => replies.map(({ headers, data }) => [headers, data.length]))
          .toEqual([[{ Status: '503' }, 0]]);
      });

      test('one request may be answered by a stream of messages', async () => {
        transport.subscribe('count', (message) => {
          for (const n of ['1', '2', '3']) transport.publish(message.reply!, n);
        });
        const replies = hear('answers.2');
        transport.publish('count', '', { reply: 'answers.2' });
        await expect.poll(() => replies.map(text)).toEqual(['1', '2', '3']);
      });
    });

    describe('closing', () => {
      test('close hands over what was published before it', async () => {
        const heard = hear('a');
        transport.publish('a', 'x');
        await transport.close();
        expect(heard).toHaveLength(1);
      });

      test('a request that waits is given up', async () => {
        hear('silent');
        const waiting = expect(transport.request('silent', '')).rejects.toThrow();
        await transport.close();
        await waiting;
      });

      test('later calls throw, and closing again does not', async () => {
        await transport.close();
        expect(() => transport.publish('a', '')).toThrow(/closed/i);
        expect(() => transport.subscribe('a', () => {})).toThrow(/closed/i);
        await expect(transport.request('a', '')).rejects.toThrow(/closed/i);
        await expect(transport.flush()).rejects.toThrow(/closed/i);
        await transport.close();
      });
    });
  });
}
