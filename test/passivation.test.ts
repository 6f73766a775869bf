// Sessions that nobody uses leave memory, also while they wait for somebody; they are back when they are called or their time comes.
import { expect, onTestFinished, test } from 'vitest';
import { memoryJournal } from '../src/journal/memory.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';

const journal = () => ({ ...memoryJournal(), close: async () => {} });

async function running(clock: SteppedClock, kept = journal()): Promise<Troupe> {
  const troupe = await createTroupe({
    clock,
    journal: kept,
    passivate_ms: 1_000,
    settings: { input_ms: 60_000, approval_ms: 60_000 },
    agents: [
      {
        id: 'asker',
        triggers: ['ask'],
        run: (_, { call }) => (call.task ? `you said ${call.input[0]!.content}` : ASKS),
      },
      { id: 'payer', triggers: ['pay'], run: () => ({ type: 'approval_required', action: 'pay', summary: 'pay?' }) },
      { id: 'echo', triggers: ['echo'], run: (text) => text },
    ],
  });
  onTestFinished(() => troupe.close());
  return troupe;
}

const ASKS = { type: 'input_required', prompt: 'Which?', task: 1 } as const;
const resident = (troupe: Troupe) => troupe.orchestrator.sessions().map(({ key }) => key.session);
const breathe = () => new Promise((resolve) => setImmediate(resolve));
/** Time passes from timer to timer, and after each everything that follows from it happens. */
async function pass(clock: SteppedClock, ms: number): Promise<void> {
  const end = clock.now() + ms;
  for (let next = clock.next(); next !== undefined && next <= end; next = clock.next()) {
    clock.advance(Math.max(0, next - clock.now()));
    await breathe();
  }
  clock.advance(end - clock.now());
  await breathe();
}

test('a session that waits for its user leaves memory, and goes on when the user answers', async () => {
  const clock = new SteppedClock(1_000_000);
  const troupe = await running(clock);
  const session = troupe.session('s1');
  expect(await session.send('ask')).toMatchObject({ status: 'awaiting_input' });
  await pass(clock, 3_000);
  expect(resident(troupe)).toEqual([]);
  expect(await session.send('this one')).toMatchObject({ status: 'done', answer: 'you said this one' });
});

test('its time-out comes when it is due, though it was out of memory', async () => {
  const clock = new SteppedClock(1_000_000);
  const troupe = await running(clock);
  await troupe.session('s1').send('ask');
  await pass(clock, 58_000);
  expect(resident(troupe)).toEqual([]);
  expect((await troupe.session('s1').state()).turn).toBe('running.awaitingInput');
  await pass(clock, 3_000);
  expect((await troupe.session('s1').state()).turn).toBe('idle');
  const last = (await troupe.journal.last({ tenant: 'default', session: 's1' }))!.entry;
  expect(last.emitted).toContainEqual(expect.objectContaining({ type: 'run_failed', code: 'input_expired' }));
});

test('a takeover with a deadline ends though nobody touched the session since', async () => {
  const clock = new SteppedClock(1_000_000);
  const troupe = await running(clock);
  await troupe.session('s1').send('echo');
  await troupe.session('s1').takeOver({ by: 'ann', deadline_ms: 30_000 });
  await pass(clock, 5_000);
  expect(resident(troupe)).toEqual([]);
  await pass(clock, 26_000);
  const last = (await troupe.journal.last({ tenant: 'default', session: 's1' }))!.entry;
  expect(last.state).toBe('automated/idle');
});

test('another process does not wake what only waits for a time to come, and wakes it then', async () => {
  const clock = new SteppedClock(1_000_000);
  const kept = journal();
  const first = await running(clock, kept);
  await first.session('s1').send('ask');
  await first.session('s2').send('pay');
  await first.session('s3').send('echo');
  await first.close();
  const second = await running(clock, kept);
  expect(resident(second)).toEqual([]);
  await pass(clock, 61_000);
  const told = async (session: string) =>
    (await kept.read({ tenant: 'default', session })).flatMap(({ entry }) => entry.emitted.map(({ type }) => type));
  expect(await told('s1')).toContain('run_failed');
  expect(await told('s2')).toContain('question_answered');
});

test('who waits for somebody is at work, in memory or not', async () => {
  const clock = new SteppedClock(1_000_000);
  const troupe = await running(clock);
  await troupe.session('s1').send('ask');
  await troupe.session('s2').send('pay');
  await troupe.session('s3').send('echo');
  const active = [
    { session_id: 's1', run_id: 's1-r1', agent_id: 'asker', status: 'waiting_for_input' },
    { session_id: 's2', run_id: 's2-r1', agent_id: 'payer', status: 'waiting_for_approval' },
  ];
  expect(await troupe.active()).toEqual(active);
  await pass(clock, 3_000);
  expect(resident(troupe)).toEqual([]);
  expect(await troupe.active()).toEqual(active);
});
