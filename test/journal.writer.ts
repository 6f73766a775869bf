// A process that appends to a journal until it is killed or refused: `node journal.writer.ts <path>`.
// It prints `ack <session> <n> <version>` for what was acknowledged, and `refused <code>` for what was not.

import { sqliteJournal } from '../src/journal/sqlite.ts';
import { entry, key } from './journal.entries.ts';

// A file that may not grow (`ulimit -f`) is a failing write then, and not the end of the process.
process.on('SIGXFSZ', () => {});

const journal = sqliteJournal({ path: process.argv[2]! });

async function write(session: string): Promise<void> {
  const last = await journal.last(key(session));
  let n = last?.entry.n ?? 0;
  let after = last?.version ?? 0;
  for (;;) {
    n++;
    after = await journal.append(key(session), after, entry(n, { init: 'x'.repeat(500) }));
    console.log(`ack ${session} ${n} ${after}`);
  }
}

const writers = Array.from({ length: 16 }, (_, i) => write(`s${i}`));
const outcomes = await Promise.allSettled(writers);
for (const outcome of outcomes) console.log(`refused ${(outcome as PromiseRejectedResult).reason.code}`);
console.log(`readable ${(await journal.rows()).length}`);
