// Journals of earlier releases: this one reads them as they were read then, wakes them, goes on with them, and forks them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AnyStateMachine } from 'xstate';
import { stepper } from '../actors/durable.ts';
import { taskOf } from '../actors/task.ts';
import { eventsOf, messagesOf } from '../actors/transcript.ts';
import { chartId, migrated } from '../actors/versions.ts';
import { machines } from '../machines/index.ts';
import type { SessionContext } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import { traceEntries } from '../src/charts/transitions.ts';
import { type Entry, isSession, type Journal } from '../src/journal/journal.ts';
import { type Clock, realClock } from '../src/platform/clock.ts';
import { fork } from '../src/sessions/fork.ts';
import { judge } from '../src/sessions/replay.ts';
import { holdsOf } from './recorded/facts.ts';
import { type Running, startProgram } from './recorded/program.ts';
import { backends, type Recorded, type Restored, recorded, releases, restore } from './recorded/restore.ts';
import { jobs, scenes } from './recorded/scenes.ts';

const chartOf = (machine: string): AnyStateMachine => (machines as Record<string, AnyStateMachine>)[chartId(machine)]!;
const entriesOf = async (journal: Journal, { tenant, session }: Recorded): Promise<Entry[]> =>
  (await journal.read({ tenant, session })).map(({ entry }) => entry);

/** A clock that goes on half a minute after the last of these entries: back-offs are over, questions are not. */
function rightAfter(lived: ReadonlyMap<string, readonly Entry[]>): Clock {
  const last = Math.max(...[...lived.values()].flatMap((entries) => entries.map(({ at }) => at)));
  const ago = realClock.now() - (last + 31_000);
  return { ...realClock, now: () => realClock.now() - ago };
}

describe.each(releases.flatMap((release) => backends.map((backend) => ({ release, backend }))))(
  'journals of $release on $backend',
  ({ release, backend }) => {
    const all = recorded(release, backend);
    const sessions = all.filter(isSession);
    let restored: Restored;
    const lived = new Map<string, Entry[]>();

    beforeAll(async () => {
      restored = await restore(release, backend);
      const { journal, close } = await restored.open();
      for (const one of all) lived.set(one.session, await entriesOf(journal, one));
      await journal.close();
      await close();
      const entries = all.reduce((sum, one) => sum + one.entries, 0);
      console.log(`${release} on ${backend}: ${all.length} journals, ${entries} entries`);
    });

    afterAll(() => restored.remove());

    test.each(all)('$session reads as it did', ({ session, machine, state, full, llm, events }) => {
      const entries = lived.get(session)!;
      expect(entries.at(-1)).toMatchObject({ machine, state });
      if (full) expect(entries.flatMap((entry) => messagesOf(entry, 'full'))).toEqual(full);
      if (llm) expect(entries.flatMap((entry) => messagesOf(entry, 'llm'))).toEqual(llm);
      expect(JSON.parse(JSON.stringify(entries.flatMap(eventsOf)))).toEqual(events);
    });

    test('none is stuck: each goes on as it is, is migrated, or has ended', () => {
      const verdicts = [...lived.values()].map((entries) => judge(entries, chartOf(entries[0]!.machine)));
      expect(verdicts.filter(({ verdict }) => !['identical', 'migrates', 'ended'].includes(verdict))).toEqual([]);
      // Its events, run again on the charts of today, come to the same transcript.
      expect(verdicts.filter(({ refolding }) => !refolding.identical)).toEqual([]);
    });

    test('wherever one ever stood, it can be migrated from there, with its task', () => {
      let positions = 0;
      for (const entries of lived.values())
        for (const entry of entries) {
          positions += 1;
          expect(holdsOf(entry, migrated(entry, chartOf(entry.machine), 'it'))).toEqual([]);
          const task = taskOf((entry.snapshot.context as Partial<SessionContext>).run?.task);
          if (!task || !(chartId(task.machine) in machines)) continue;
          positions += 1;
          expect(holdsOf(task as never, migrated(task as never, chartOf(task.machine), 'it'))).toEqual([]);
        }
      console.log(`${release} on ${backend}: ${positions} positions migrated`);
    });

    test.each(sessions)('$session forks, and the fork has the same transcript', ({ session, full }) => {
      const entries = lived.get(session)!;
      const forked = fork(entries, sessionMachine, 'forked', entries.at(-1)!.at);
      const renamed = JSON.parse(JSON.stringify(full).replaceAll(`"${session}-r`, '"forked-r'));
      expect(forked.flatMap((entry) => messagesOf(entry, 'full'))).toEqual(renamed);
      expect(forked.every(({ machine }) => machine === stepper(sessionMachine).name)).toBe(true);
    });

    describe('woken by this release', () => {
      let running: Running;

      beforeAll(async () => {
        const { journal, transport, close } = await restored.open();
        const program = await startProgram(journal, { live: true }, { transport, clock: rightAfter(lived) });
        running = { ...program, close: () => program.close().then(close) };
      });

      afterAll(() => running.close());

      test.each(scenes)('$session goes on', async ({ session, goesOn, says }) => {
        const handle = running.troupe.session(session);
        const before = (await handle.history()).length;
        await goesOn?.(handle);
        const last = async () => (await handle.history()).at(-1)!.content;
        await expect.poll(last).toBe(says);
        const history = await handle.history();
        const { full } = sessions.find((one) => one.session === session)!;
        expect(history.slice(0, full!.length)).toEqual(full);
        expect(history.length).toBeGreaterThanOrEqual(before);
        // What this release has written says which transitions it took, from the first entry on.
        const own = (await running.troupe.journal.read(handle.key)).map(({ entry }) => entry);
        const unknown = traceEntries(sessionMachine, own).filter(
          ({ machine, transitions }) => machine === stepper(sessionMachine).name && transitions === null,
        );
        expect(unknown).toEqual([]);
        if ((await handle.state()).control !== 'closed')
          await expect.poll(async () => (await handle.state()).turn).toBe('idle');
      });

      test.each(jobs)('the job $key goes on', async ({ key, ends, ...more }) => {
        const { jobs } = running.troupe;
        const listed = (await jobs.list({ limit: 100 })).jobs;
        const { job_id } = await running.troupe.enqueue('campaign', more.payload, {
          key,
          delay_ms: 'delay_ms' in more ? more.delay_ms : 0,
        });
        expect(listed.map((job) => job.job_id)).toContain(job_id);
        if ('retry' in more) await jobs.retry(job_id);
        if ('cancel' in more) await jobs.cancel(job_id);
        await expect.poll(async () => (await jobs.get(job_id)).state).toBe(ends);
      });

      test('an agent that registered before is still known', () => {
        expect(running.troupe.pool.get('default', 'far')).toBeDefined();
      });
    });
  },
);
