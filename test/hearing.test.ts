// Who hears what when a journal's own entries and the others' come by two ways: every order of the two, played by hand.

import { describe, expect, test } from 'vitest';
import { Hearing } from '../src/journal/jetstream/hearing.ts';
import { Subjects } from '../src/journal/jetstream/messages.ts';
import type { JetStream } from '../src/nats/jetstream.ts';
import { entry, key } from './journal.entries.ts';

const subjects = new Subjects('test', 4);
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A hearing over a stream that ended at version 10 when it began, and the hands to play its server with. */
async function begin() {
  let deliver: (error: null, message: unknown) => void = () => {};
  let delivered = 0;
  const js = {
    connection: {
      subscribe: (_: string, { callback }: { callback: typeof deliver }) => {
        deliver = callback;
        return { getSubject: () => 'inbox', unsubscribe: () => {} };
      },
    },
    call: async (verb: string) => (verb.startsWith('STREAM.INFO') ? { state: { last_seq: 10 } } : { name: 'c' }),
    ask: async () => ({}),
    onReconnect: () => () => {},
  };
  const heard: string[] = [];
  const hearing = new Hearing(js as unknown as JetStream, 'stream', subjects, (error) => expect.fail(String(error)));
  const stop = hearing.follow('*', ({ session }, { version, entry }) =>
    heard.push(`${session} ${entry.n} @${version}`),
  );
  await hearing.live();
  return {
    heard,
    stop,
    /** An entry comes through the tap. */
    comes(session: string, n: number, version: number): void {
      delivered += 1;
      const reply = `$JS.ACK.stream.c.1.${version}.${delivered}.0.0`;
      const data = new TextEncoder().encode(JSON.stringify(entry(n)));
      deliver(null, { subject: subjects.of(key(session)), reply, data });
    },
    /** An own append was acknowledged. Resolves to what had been heard when it could resolve to its caller. */
    async acknowledged(session: string, n: number, after: number, version: number): Promise<string[]> {
      const telling = hearing.appended(key(session), after, { version, entry: entry(n) });
      if (telling) await telling;
      return [...heard];
    },
  };
}

describe('hearing', () => {
  test('an own entry is told at its acknowledgement, and not again when it comes through the tap', async () => {
    const { heard, acknowledged, comes } = await begin();
    expect(await acknowledged('a', 1, 0, 11)).toEqual(['a 1 @11']);
    expect(await acknowledged('a', 2, 11, 12)).toEqual(['a 1 @11', 'a 2 @12']);
    comes('a', 1, 11);
    comes('a', 2, 12);
    comes('b', 1, 13);
    expect(heard).toEqual(['a 1 @11', 'a 2 @12', 'b 1 @13']);
  });

  test('an own entry that comes through the tap first is not told again at its acknowledgement', async () => {
    const { acknowledged, comes } = await begin();
    comes('a', 1, 11);
    expect(await acknowledged('a', 1, 0, 11)).toEqual(['a 1 @11']);
  });

  test("an own entry after somebody else's waits until that one was told", async () => {
    const { heard, acknowledged, comes } = await begin();
    const own = acknowledged('a', 2, 11, 12);
    await settled();
    expect(heard).toEqual([]);
    comes('a', 1, 11);
    expect(heard).toEqual(['a 1 @11']);
    comes('a', 2, 12);
    expect(await own).toEqual(['a 1 @11', 'a 2 @12']);
  });

  test("an own entry after somebody else's that was told is told at once", async () => {
    const { acknowledged, comes } = await begin();
    comes('a', 1, 11);
    expect(await acknowledged('a', 2, 11, 12)).toEqual(['a 1 @11', 'a 2 @12']);
  });

  test('an own entry that was stored before the tap began is told, for it never comes through the tap', async () => {
    const { heard, acknowledged, comes } = await begin();
    expect(await acknowledged('a', 3, 7, 9)).toEqual(['a 3 @9']);
    comes('a', 4, 11);
    expect(heard).toEqual(['a 3 @9', 'a 4 @11']);
  });

  test('an append that waits for the tap does not wait any longer when nobody follows', async () => {
    const { acknowledged, stop } = await begin();
    const own = acknowledged('a', 2, 11, 12);
    stop();
    expect(await own).toEqual([]);
  });
});
