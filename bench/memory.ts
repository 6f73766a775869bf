// What a session costs when nothing happens to it: resident and idle, passivated, and being woken.

import { type Figure, median, perOperation } from './measure.ts';
import { benchTroupe, sessionsOf, sqlite, turn, turns } from './turns.ts';

function collect(): void {
  if (!globalThis.gc) throw new Error('run with --expose-gc');
  for (let pass = 0; pass < 4; pass += 1) globalThis.gc();
}

const heap = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

/** Heap of a session that had a turn, is idle, and stays: the journal is on disk, so only the actor counts. */
export async function resident(): Promise<Figure> {
  const COUNT = 20_000;
  const troupe = await benchTroupe(sqlite());
  await turns(sessionsOf(troupe, 500), 500);
  const before = heap();
  for (let from = 500; from < COUNT + 500; from += 500) await turns(sessionsOf(troupe, 500, from), 500);
  const bytes = (heap() - before) / COUNT;
  await troupe.close();
  return {
    name: 'heap of a resident idle session',
    ours: bytes,
    floor: 6_144,
    unit: 'B',
    ratio: bytes / 6_144,
    target: '≤ 1 (6 KB)',
    holds: bytes <= 6_144,
    cost: "XState's actor with its system and scope, its snapshot and context, and our mailbox",
  };
}

/** Memory of the whole process per session that left memory: only SQLite's bounded cache may grow. */
export async function passivated(): Promise<Figure> {
  const COUNT = 100_000;
  const troupe = await benchTroupe(sqlite(), 0);
  const sweep = () => troupe.orchestrator.sweep();
  const grow = async (from: number, to: number) => {
    for (let at = from; at < to; at += 500) {
      await turns(sessionsOf(troupe, 500, at), 500);
      sweep();
    }
  };
  // The cache of the database is full and the heap has its size before counting begins.
  await grow(0, COUNT);
  collect();
  const before = process.memoryUsage().rss;
  await grow(COUNT, 2 * COUNT);
  collect();
  const bytes = Math.max(0, (process.memoryUsage().rss - before) / COUNT);
  const left = troupe.orchestrator.sessions().length;
  await troupe.close();
  return {
    name: `process memory of a passivated session (${COUNT.toLocaleString('en')} more of them, ${left} resident)`,
    ours: bytes,
    floor: 150,
    unit: 'B',
    ratio: bytes / 150,
    target: '≤ 1 (150 B)',
    holds: bytes <= 150,
    cost: 'nothing but its row on disk; what grows is allocator slack',
  };
}

/** Waking a session of 50 turns beside one of a single turn: one read of the last entry, however long the talk. */
export async function waking(): Promise<Figure> {
  const SESSIONS = 200;
  const troupe = await benchTroupe(sqlite(), 0);
  const short = sessionsOf(troupe, SESSIONS);
  const long = sessionsOf(troupe, SESSIONS, SESSIONS);
  await turns(short, SESSIONS);
  for (const session of long) for (let count = 0; count < 50; count += 1) await turn(session);
  const wake = async (sessions: typeof short): Promise<number> => {
    troupe.orchestrator.sweep();
    return perOperation(SESSIONS, async () => {
      for (const { key } of sessions) await troupe.orchestrator.find(key);
    });
  };
  const times = { short: [] as number[], long: [] as number[] };
  for (let round = 0; round < 15; round += 1) {
    times.short.push(await wake(short));
    times.long.push(await wake(long));
  }
  await troupe.close();
  const [ours, floor] = [median(times.long), median(times.short)];
  return {
    name: 'waking a session of 50 turns, beside one of 1 turn',
    ours,
    floor,
    unit: 'µs',
    ratio: ours / floor,
    target: '≤ 1.3',
    holds: ours / floor <= 1.3,
    cost: 'one indexed read of the last entry, parsing it, and a new XState actor',
  };
}
