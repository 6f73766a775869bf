// Recorded journals, as they lay on SQLite and in the JetStream stream, in a backend that a runtime can open.
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import type { RunEvent, TranscriptMessage } from '../../actors/transcript.ts';
import { natsNode } from '../../src/cluster/node.ts';
import type { Journal, Transport } from '../../src/index.ts';
import { memoryTransport } from '../../src/index.ts';
import { sqliteJournal } from '../../src/journal/sqlite.ts';
import { connectNats } from '../../src/nats/connect.ts';
import { startNats } from '../nats.ts';

const home = new URL('.', import.meta.url).pathname;

/** The releases that journals were recorded of, oldest first. */
export const releases = readdirSync(home, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

export const backends = ['sqlite', 'jetstream'] as const;
type Backend = (typeof backends)[number];

/** A journal as the release that wrote it read it. */
export interface Recorded {
  readonly tenant: string;
  readonly session: string;
  readonly machine: string;
  readonly state: string;
  readonly entries: number;
  /** The two histories; not there for what is no session. */
  readonly full?: readonly TranscriptMessage[];
  readonly llm?: readonly TranscriptMessage[];
  readonly events: readonly RunEvent[];
}

export const recorded = (release: string, backend: Backend): readonly Recorded[] =>
  JSON.parse(readFileSync(join(home, release, `${backend}.json`), 'utf8'));

export interface Restored {
  /** Opens the journal; the one opened before must be closed. */
  open(): Promise<{ readonly journal: Journal; readonly transport: Transport; close(): Promise<void> }>;
  remove(): Promise<void>;
}

export const restore = (release: string, backend: Backend): Promise<Restored> =>
  backend === 'sqlite' ? restoreFile(release) : restoreStream(release);

async function restoreFile(release: string): Promise<Restored> {
  const directory = mkdtempSync(join(tmpdir(), 'recorded-'));
  const path = join(directory, 'troupe.db');
  copyFileSync(join(home, release, 'troupe.db'), path);
  return {
    open: async () => ({ journal: sqliteJournal({ path }), transport: memoryTransport(), close: async () => {} }),
    remove: async () => rmSync(directory, { recursive: true }),
  };
}

interface Message {
  readonly seq: number;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: string;
}

/** Every message where it was: the fence is made of the stream's numbers. */
async function restoreStream(release: string): Promise<Restored> {
  const [first, ...lines] = readFileSync(join(home, release, 'stream.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  const server = await startNats({ jetstream: true });
  const connection = await connectNats({ servers: server.url });
  const { streams } = await jetstreamManager(connection);
  const { config } = JSON.parse(first!);
  await streams.add(config);
  const publish = async (subject: string, data: string, more: Message['headers'] = {}) => {
    const given = headers();
    for (const [name, value] of Object.entries(more)) given.set(name, value);
    return (await jetstream(connection).publish(subject, data, { headers: given })).seq;
  };
  let seq = 0;
  for (const line of lines) {
    const message = JSON.parse(line) as Message;
    // Scans left marks in between, which were removed.
    while (seq < message.seq - 1) {
      seq = await publish('troupe.journal.mark', '');
      await streams.deleteMessage(config.name, seq, false);
    }
    seq = await publish(message.subject, message.data, message.headers);
    if (seq !== message.seq) throw new Error(`message ${message.seq} of ${release} came to lie at ${seq}`);
  }
  await connection.close();
  return {
    open: () => natsNode({ url: server.url }),
    remove: () => server.stop(),
  };
}
