// Forking: a session lives on from any of its entries, under another id.
import { expect, test } from 'vitest';
import { sessionMachine } from '../machines/session/machine.ts';
import type { AgentFunction } from '../src/agents/definition.ts';
import type { Entry } from '../src/journal/journal.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { fork } from '../src/sessions/fork.ts';
import { refold } from '../src/sessions/replay.ts';
import { createTroupe } from '../src/troupe.ts';
import { askedIn } from './agents.ts';

const asking: AgentFunction = (_, { call }) =>
  call.decision
    ? `it was a ${call.decision.kind === 'approval' ? call.decision.decision : 'tool'}`
    : { type: 'approval_required', action: 'refund', summary: 'Pay 20 back?' };
const agents = [
  { id: 'asking', triggers: ['refund'], run: asking },
  { id: 'echo', triggers: ['echo'], run: (message: string) => message },
];

/** A session that was asked for a refund, which was approved, and that then said something. */
async function lived(): Promise<Entry[]> {
  const troupe = await createTroupe({ agents, clock: new SteppedClock(1_000) });
  const session = troupe.session('s1');
  const asked = await session.send('refund');
  const approval = askedIn(asked);
  await session.approve({ approval, decision: 'approve', by: 'ana' });
  await session.send('echo hello');
  const entries = (await troupe.journal.read(session.key)).map(({ entry }) => entry);
  await troupe.close();
  return entries;
}

/** A runtime that finds these entries as a session of its own. */
async function runtime(session: string, entries: readonly Entry[], clock: SteppedClock) {
  const journal = memoryJournal();
  let version = 0;
  for (const entry of entries) version = await journal.append({ tenant: 'default', session }, version, entry);
  const troupe = await createTroupe({ agents, journal, clock });
  return { troupe, session: troupe.session(session) };
}

test('a fork has lived the same under its own id', async () => {
  const entries = fork(await lived(), sessionMachine, 's2', 1_000);
  expect(refold(entries, sessionMachine)).toMatchObject({ identical: true });
  expect(JSON.stringify(entries)).not.toContain('"s1');
  const { troupe, session } = await runtime('s2', entries, new SteppedClock(2_000));
  expect((await session.history()).map(({ content }) => content)).toEqual([
    'refund',
    'it was a approve',
    'echo hello',
    'echo hello',
  ]);
  await troupe.close();
});

test('a fork goes another way than the session it comes from', async () => {
  const asked = (await lived()).slice(0, 2);
  const { troupe, session } = await runtime('s2', fork(asked, sessionMachine, 's2', 1_000), new SteppedClock(1_000));
  await session.approve({ approval: 's2-r1.1', decision: 'reject', by: 'bo' });
  await expect.poll(async () => (await session.history()).at(-1)?.content).toBe('it was a reject');
  await troupe.close();
});

test('timers of a fork wait for what remained of them', async () => {
  const asked = (await lived()).slice(0, 2);
  const [timer] = asked.at(-1)!.owed;
  const forked = fork(asked, sessionMachine, 's2', 5_000).at(-1)!;
  expect(forked.owed).toEqual([{ ...timer, due: timer!.due! + 4_000 }]);
  expect(forked.wake).toBe(timer!.due! + 4_000);
});

test('entries that do not refold are not forked', async () => {
  const entries = await lived();
  expect(() => fork(entries.toSpliced(1, 1), sessionMachine, 's2', 0)).toThrow('entry 3 comes out otherwise');
});
