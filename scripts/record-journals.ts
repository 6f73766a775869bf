// Records what journals of this version look like, for test/recorded: `node scripts/record-journals.ts <name>`, before charts change.
//
// Writes test/recorded/<name>/: `troupe.db`, the SQLite file; `stream.jsonl`, the messages of the JetStream stream as they lie there;
// `sqlite.json` and `jetstream.json`: how this version reads each session (state, transcripts, events).

import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { eventsOf, messagesOf } from '../actors/transcript.ts';
import { natsNode } from '../src/cluster/node.ts';
import { isSession, type Journal } from '../src/journal/journal.ts';
import { sqliteJournal } from '../src/journal/sqlite.ts';
import { connectNats } from '../src/nats/connect.ts';
import { startNats } from '../test/nats.ts';
import { type Running, startProgram } from '../test/recorded/program.ts';
import { jobs, scenes } from '../test/recorded/scenes.ts';

const [name] = process.argv.slice(2);
if (!name) throw new Error('usage: node scripts/record-journals.ts <name>');
const home = new URL(`../test/recorded/${name}/`, import.meta.url).pathname;
mkdirSync(home, { recursive: true });

await recordSqlite();
await recordJetstream();

async function recordSqlite(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'recorded-'));
  const path = join(directory, 'troupe.db');
  await play(() => startProgram(sqliteJournal({ path }), { live: false }));
  await describe('sqlite', sqliteJournal({ path }));
  copyFileSync(path, join(home, 'troupe.db'));
  rmSync(directory, { recursive: true });
}

async function recordJetstream(): Promise<void> {
  const server = await startNats({ jetstream: true });
  const node = () => natsNode({ url: server.url, shards: 4 });
  await play(async () => {
    const { journal, transport, close } = await node();
    const running = await startProgram(journal, { live: false }, { transport });
    return { ...running, close: () => running.close().then(close) };
  });
  const { journal, close } = await node();
  await describe('jetstream', journal);
  await close();
  writeFileSync(join(home, 'stream.jsonl'), await messages(server.url));
  await server.stop();
}

/** Every scene at once, until each is where it rests; then the program stops, and what is owed stays in the journal. */
async function play(start: () => Promise<Running>): Promise<void> {
  const running = await start();
  const { troupe } = running;
  await Promise.all(
    scenes.map(async ({ session, records, rests }) => {
      const handle = troupe.session(session);
      await records(handle, troupe);
      await until(session, async () => (await troupe.journal.last(handle.key))?.entry.state ?? 'nothing', rests);
    }),
  );
  const endpoints = [{ id: '1', url: 'http://127.0.0.1:9' }];
  await troupe.registerAgent('default', { agent_id: 'far', kind: 'http', endpoints });
  for (const { key, payload, rests, ...options } of jobs) {
    const delay_ms = 'delay_ms' in options ? options.delay_ms : 0;
    const { job_id } = await troupe.enqueue('campaign', payload, { key, delay_ms });
    await until(key, async () => (await troupe.jobs.get(job_id)).state, rests);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  await running.close();
}

async function until(what: string, state: () => Promise<string>, wanted: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const found = await state();
    if (found === wanted) return;
    if (tries === 400) throw new Error(`${what} is in ${found}, not in ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** How this version reads what it wrote. */
async function describe(backend: string, journal: Journal): Promise<void> {
  const rows = await journal.rows({ limit: 1_000 });
  const sessions = await Promise.all(
    rows.map(async ({ key, state }) => {
      const entries = (await journal.read(key)).map(({ entry }) => entry);
      const base = { ...key, machine: entries.at(-1)!.machine, state, entries: entries.length };
      if (!isSession(key)) return { ...base, events: entries.flatMap(eventsOf) };
      const full = entries.flatMap((entry) => messagesOf(entry, 'full'));
      const llm = entries.flatMap((entry) => messagesOf(entry, 'llm'));
      return { ...base, full, llm, events: entries.flatMap(eventsOf) };
    }),
  );
  await journal.close();
  writeFileSync(join(home, `${backend}.json`), `${JSON.stringify(sessions, null, 1)}\n`);
  console.log(`${backend}: ${sessions.length} journals`);
}

async function messages(url: string): Promise<string> {
  const connection = await connectNats({ servers: url });
  const streams = (await jetstreamManager(connection)).streams;
  const { state, config } = await streams.info('troupe-journal');
  const lines = [JSON.stringify({ config })];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await streams.getMessage('troupe-journal', { seq });
    if (!message) continue;
    const headers = Object.fromEntries(message.header.keys().map((name) => [name, message.header.get(name)]));
    lines.push(
      JSON.stringify({ seq, subject: message.subject, headers, data: new TextDecoder().decode(message.data) }),
    );
  }
  await connection.close();
  return `${lines.join('\n')}\n`;
}
