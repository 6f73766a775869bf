// What a turn costs: in memory beside bare XState, on SQLite beside memory, and alone beside two raw commits.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createActor } from 'xstate';
import { settings } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import { type Journal, memoryJournal, sqliteJournal } from '../src/index.ts';
import type { SessionHandle } from '../src/sessions/handle.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';
import { type Figure, median, perOperation, sideBySide } from './measure.ts';

const SAID = 'hello there, where is my order 4711?';

const folders: string[] = [];
process.on('exit', () => {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
});

/** A folder that goes away with the process. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'troupe-bench-'));
  folders.push(path);
  return path;
}

export const sqlite = (): Journal => sqliteJournal({ path: join(folder(), 'troupe.db') });

export const benchTroupe = (journal: Journal, max_resident = 1_000_000): Promise<Troupe> =>
  createTroupe({
    journal,
    max_resident,
    passivate_ms: 1_000_000_000,
    agents: [{ id: 'desk', triggers: ['hello', 'order'], run: () => 'It is on its way and arrives tomorrow.' }],
  });

export async function turn(session: SessionHandle): Promise<void> {
  const { status } = await session.send(SAID);
  if (status !== 'done') throw new Error(`a turn ended ${status}`);
}

/** `count` turns by as many callers as there are sessions, each waiting for its answer before it goes on. */
export async function turns(sessions: readonly SessionHandle[], count: number): Promise<void> {
  let left = count;
  await Promise.all(
    sessions.map(async (session) => {
      while (left-- > 0) await turn(session);
    }),
  );
}

export const sessionsOf = (troupe: Troupe, count: number, from = 0): SessionHandle[] =>
  Array.from({ length: count }, (_, index) => troupe.session(`s${from + index}`));

/** The same two events to a bare XState actor of the same chart, again and again: a message, and the agent's answer. */
export function bareTurns(): (count: number) => void {
  const actor = createActor(sessionMachine, { input: { id: 's', settings: settings.parse({}) } }).start();
  const route = { agent: 'desk', confidence: 1, reason: 'trigger' };
  const output = { result: { type: 'answer', final_message: 'It is on its way.' }, endpoint: 'desk/local', ms: 0 };
  return (count) => {
    for (let index = 0; index < count; index += 1) {
      actor.send({ type: 'message', id: `m${index}`, content: SAID, route });
      actor.send({ type: 'xstate.done.actor.agent', actorId: 'agent', output } as never);
    }
  };
}

export async function inMemory(): Promise<Figure> {
  const troupe = await benchTroupe(memoryJournal());
  const sessions = sessionsOf(troupe, 512);
  const COUNT = 10_000;
  const bare = bareTurns();
  await turns(sessions, COUNT);
  bare(COUNT);
  const { ours, floor } = await sideBySide(
    7,
    () => perOperation(COUNT, () => turns(sessions, COUNT)),
    () => perOperation(COUNT, () => bare(COUNT)),
  );
  await troupe.close();
  return {
    name: 'a turn in memory, 512 sessions at once, beside two bare XState sends',
    ours: 1e6 / ours,
    floor: 1e6 / floor,
    unit: 'turns/s',
    ratio: floor / ours,
    target: '≥ 0.25',
    holds: floor / ours >= 0.25,
    cost: `${ours.toFixed(0)} µs a turn: about a third in the chart's two transitions, the rest in two entries (JSON), routing, the agent call and promises`,
  };
}

export async function durable(): Promise<Figure> {
  const onDisk = await benchTroupe(sqlite());
  const inRam = await benchTroupe(memoryJournal());
  const COUNT = 10_000;
  const [disk, ram] = [sessionsOf(onDisk, 512), sessionsOf(inRam, 512)];
  await turns(disk, COUNT);
  await turns(ram, COUNT);
  const { ours, floor } = await sideBySide(
    7,
    () => perOperation(COUNT, () => turns(disk, COUNT)),
    () => perOperation(COUNT, () => turns(ram, COUNT)),
  );
  await onDisk.close();
  await inRam.close();
  return {
    name: 'a durable turn (SQLite, synchronous=FULL), 512 sessions at once, beside one in memory',
    ours: 1e6 / ours,
    floor: 1e6 / floor,
    unit: 'turns/s',
    ratio: floor / ours,
    target: '≥ 0.5',
    holds: floor / ours >= 0.5,
    cost: `${(ours - floor).toFixed(0)} µs a turn more for two inserts, what changed in two rows, and a share of a commit`,
  };
}

export async function alone(): Promise<Figure> {
  const troupe = await benchTroupe(sqlite());
  const [session] = sessionsOf(troupe, 1) as [SessionHandle];
  const raw = new DatabaseSync(join(folder(), 'raw.db'));
  raw.exec(
    'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA locking_mode=EXCLUSIVE; CREATE TABLE t (body TEXT)',
  );
  const insert = raw.prepare('INSERT INTO t VALUES (?)');
  const body = 'x'.repeat(1_200);
  const COUNT = 400;
  const p50 = async (go: () => unknown): Promise<number> => {
    const times: number[] = [];
    for (let index = 0; index < COUNT; index += 1) times.push(await perOperation(1, go));
    return median(times);
  };
  await p50(() => turn(session));
  const { ours, floor } = await sideBySide(
    7,
    () => p50(() => turn(session)),
    () =>
      p50(() => {
        insert.run(body);
        insert.run(body);
      }),
  );
  raw.close();
  await troupe.close();
  return {
    name: 'one durable turn alone (p50), beside two raw SQLite commits',
    ours,
    floor,
    unit: 'µs',
    ratio: ours / floor,
    target: '≤ 2.5',
    holds: ours / floor <= 2.5,
    cost: 'two commits of two pages each, and the turn itself',
  };
}
