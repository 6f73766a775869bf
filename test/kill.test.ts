// The story of a service that is killed in the middle of an answer, and of a listener that comes back.
import { fileURLToPath } from 'node:url';
import { type EventSourceMessage, EventSourceParserStream } from 'eventsource-parser/stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServiceProcess } from '../scripts/service.ts';

const config = fileURLToPath(new URL('data/slow.config.ts', import.meta.url));
const COUNTED = 60;
const ANSWER = Array.from({ length: COUNTED }, (_, index) => index + 1).join(' ');

let service: ServiceProcess;
beforeEach(async () => {
  service = await ServiceProcess.start({ config });
});
afterEach(() => service[Symbol.asyncDispose]());

/** The events of a response until `last` has come or the connection breaks. */
async function heard(response: Response, last: (event: EventSourceMessage, all: EventSourceMessage[]) => boolean) {
  expect(response.status).toBe(200);
  const all: EventSourceMessage[] = [];
  const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
  try {
    for await (const event of events) {
      all.push(event);
      if (last(event, all)) break;
    }
  } catch {
    // The service is gone.
  }
  return all;
}

const say = (session: string, content: string, key: string): Promise<Response> =>
  fetch(`${service.url}/v1/sessions/${session}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'idempotency-key': key },
    body: JSON.stringify({ content }),
  });

const listen = (session: string, lastId: string): Promise<Response> =>
  fetch(`${service.url}/v1/sessions/${session}/events`, { headers: { 'last-event-id': lastId } });

const isDelta = ({ event }: EventSourceMessage): boolean => event === 'agent_stream_delta';
const idsOf = (events: readonly EventSourceMessage[]): string[] => events.flatMap(({ id }) => (id ? [id] : []));
const dataOf = ({ data }: EventSourceMessage): any => JSON.parse(data);

/** What a reader has on the screen after these events: every piece replaces what stood from its offset on. */
const written = (events: readonly EventSourceMessage[]): string =>
  events
    .filter(isDelta)
    .map(dataOf)
    .reduce((text, piece) => text.slice(0, piece.offset) + piece.text, '');

test('after kill -9 in the middle of an answer the session goes on by itself, and a listener misses nothing', async () => {
  const before = await heard(await say('s1', `count to ${COUNTED}`, 'k1'), (_, all) => all.filter(isDelta).length >= 5);
  await service.kill();
  expect(ANSWER.startsWith(written(before))).toBe(true);
  expect(written(before)).not.toBe(ANSWER);

  // Nobody says anything: starting is enough.
  await service.start();
  const lastId = idsOf(before).at(-1)!;
  const after = await heard(await listen('s1', lastId), ({ event, data }) => {
    return event === 'state_change' && JSON.parse(data).turn === 'idle';
  });

  // The answer begins again as another attempt, and is whole.
  expect(after.map(({ event }) => event)).toContain('run_recovered');
  const attempts = new Set(after.filter(isDelta).map((delta) => dataOf(delta).attempt));
  expect(attempts.size).toBe(1);
  expect(written(after)).toBe(ANSWER);

  // Together the two connections have every event of the journal once, in order.
  const whole = await heard(await listen('s1', '0'), ({ event, data }) => {
    return event === 'state_change' && JSON.parse(data).turn === 'idle';
  });
  expect([...idsOf(before), ...idsOf(after)]).toEqual(idsOf(whole));

  // The same request again is the same message, and has its answer already.
  const repeated = await heard(await say('s1', `count to ${COUNTED}`, 'k1'), ({ event }) => event === 'outcome');
  expect(dataOf(repeated.at(-1)!)).toMatchObject({ status: 'done', answer: ANSWER });
  const { messages } = (await (await fetch(`${service.url}/v1/sessions/s1/messages`)).json()) as { messages: any[] };
  expect(messages.map(({ role, content }) => [role, content])).toEqual([
    ['user', `count to ${COUNTED}`],
    ['assistant', ANSWER],
  ]);
});

test('a listener that comes back in the middle of an answer gets what was said so far, and then the rest', async () => {
  const asked = heard(await say('s1', `count to ${COUNTED}`, 'k1'), ({ event }) => event === 'outcome');
  const first = await heard(await listen('s1', '0'), (_, all) => all.filter(isDelta).length >= 5);
  const second = await heard(await listen('s1', idsOf(first).at(-1)!), ({ event }) => event === 'run_done');
  expect(dataOf(second.find(isDelta)!)).toMatchObject({ offset: 0 });
  expect(written(second)).toBe(ANSWER);
  expect(idsOf(second).filter((id) => idsOf(first).includes(id))).toEqual([]);
  await asked;
});

test('messages that were accepted before kill -9 are answered after it, in their order', async () => {
  const counts = [40, 2, 3];
  for (const [index, count] of counts.entries()) {
    // Accepted is enough: nobody waits for the answer.
    const response = await say('s1', `count to ${count}`, `k${index}`);
    await response.body!.cancel();
  }
  await service.kill();
  await service.start();
  await expect
    .poll(
      async () => {
        const response = await fetch(`${service.url}/v1/sessions/s1/messages`);
        const { messages } = (await response.json()) as { messages: any[] };
        return messages.filter(({ role }) => role === 'assistant').map(({ content }) => content.split(' ').length);
      },
      { timeout: 20_000 },
    )
    .toEqual(counts);
});
