// What the inspector makes of a session: lines of the transcript, a sequence, an answer that grows, and the arrows that light up.
import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { arrowName, arrowsOf, idsByState, idsOfValue, partOf } from '../inspector/src/chart/active.ts';
import { linesOf } from '../inspector/src/session/lines.ts';
import { EMPTY, floorOf, heard, type Model, questionOf, withEntries } from '../inspector/src/session/model.ts';
import { lanesOf, rowsOf } from '../inspector/src/session/sequence.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import { defineTool } from '../src/agents/define.ts';
import { traceEntries } from '../src/charts/transitions.ts';
import { chartGraph, isPassing } from '../src/diagram/graph.ts';
import type { Entry } from '../src/journal/journal.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { failing, held, scripted, streamed } from '../src/testing/scripted.ts';
import { createTroupe } from '../src/troupe.ts';
import { askedIn } from './agents.ts';

const graph = chartGraph(sessionMachine);

/** A conversation with a failure, an approval and a takeover in it. */
async function lived(): Promise<Entry[]> {
  const clock = new SteppedClock(1_000);
  const answers = [
    failing('busy', { message: 'the line is busy' }),
    'Good day.',
    { type: 'approval_required', action: 'refund', summary: 'Pay 20 back?', details: { amount: 20 } } as const,
    'Paid.',
    held('never heard'),
  ];
  const desk = scripted('desk', answers, { triggers: ['hello', 'money', 'thanks'] });
  const troupe = await createTroupe({ agents: [desk], clock });
  const session = troupe.session('s1');
  const stands = (state: string) =>
    vi.waitFor(async () => expect((await troupe.journal.last(session.key))?.entry.state).toBe(state), 20_000);
  const first = session.send('hello');
  await stands('automated/running.backingOff');
  clock.advance(1_000);
  await first;
  const asked = await session.send('my money back');
  await session.approve({ approval: askedIn(asked), decision: 'approve', by: 'ann' });
  await stands('automated/idle');
  const last = session.send('thanks');
  await stands('automated/running.attempting');
  await session.takeOver({ by: 'ann', deadline_ms: 60_000 });
  await session.inject({ by: 'ann', content: 'Ann here.' });
  await session.inject({ by: 'ann', content: 'is kind', mode: 'note' });
  await last;
  const entries = (await troupe.journal.read(session.key)).map(({ entry }) => entry);
  await troupe.close();
  return entries;
}

let entries: Entry[];
beforeAll(async () => {
  entries = await lived();
});

test('a transcript tells who said what, and what happened in between', () => {
  const told = linesOf(entries).map((line) =>
    line.kind === 'mark' ? `(${line.text})` : `${line.role}${line.who ? ` ${line.who}` : ''}: ${line.content}`,
  );
  expect(told).toEqual([
    'user: hello',
    '(Attempt 1 of desk failed: the line is busy)',
    'assistant desk: Good day.',
    'user: my money back',
    '(desk asks for approval of refund: Pay 20 back?)',
    '(ann approved)',
    'assistant desk: Paid.',
    'user: thanks',
    '(ann has the floor)',
    '(The answer stopped here)',
    'supervisor ann: Ann here.',
    '(The run was cancelled: answered by a person)',
    'supervisor ann: is kind',
  ]);
});

test('a sequence has a lane for everybody who took part, and an arrow for every message', () => {
  const rows = rowsOf(entries);
  expect(lanesOf(rows)).toEqual(['user', 'session', 'agent:desk', 'supervisor']);
  expect(rows.map(({ n, from, to, text }) => `${n} ${from} → ${to}: ${text}`)).toEqual([
    '1 user → session: hello',
    '1 session → agent:desk: attempt 1',
    '2 agent:desk → session: the line is busy',
    '3 session → session: after backoff',
    '3 session → agent:desk: attempt 2',
    '4 agent:desk → session: done',
    '4 session → user: Good day.',
    '5 user → session: my money back',
    '5 session → agent:desk: attempt 1',
    '6 agent:desk → session: approval_required',
    '6 session → supervisor: approve? Pay 20 back?',
    '7 supervisor → session: approve',
    '7 session → agent:desk: attempt 2',
    '8 agent:desk → session: done',
    '8 session → user: Paid.',
    '9 user → session: thanks',
    '9 session → agent:desk: attempt 1',
    '10 supervisor → session: takeover (ann)',
    '11 supervisor → session: speak: Ann here.',
    '11 session → user: Ann here.',
    '12 supervisor → session: note: is kind',
  ]);
});

test('a call of a tool is told with what it was given and what came of it, and has a lane of its own', async () => {
  const double = defineTool({
    name: 'double',
    description: 'Doubles.',
    input: z.object({ n: z.number() }),
    execute: ({ n }) => 2 * n,
  });
  const troupe = await createTroupe({
    agents: [
      {
        id: 'sums',
        triggers: ['sum'],
        tools: [double],
        run: async (_, { tool }) => String(await tool('double', { n: 21 })),
      },
    ],
  });
  const session = troupe.session('s1');
  await session.send('sum');
  const stored = (await troupe.journal.read(session.key)).map(({ entry }) => entry);
  expect(linesOf(stored)).toMatchObject([
    { role: 'user', content: 'sum' },
    { role: 'tool', who: 'double', content: '{"n":21}\n→ 42' },
    { role: 'assistant', content: '42' },
  ]);
  expect(rowsOf(stored).map(({ from, to, text }) => `${from} → ${to}: ${text}`)).toContain(
    'agent:sums → tools: double',
  );
  await troupe.close();
});

test('the open question is the one that the run waits with, and only while it does', () => {
  const open = entries.map((_, index) => questionOf(entries.slice(0, index + 1))?.kind);
  expect(open.flatMap((kind, index) => (kind ? [`${index + 1} ${kind}`] : []))).toEqual(['6 approval']);
  expect(questionOf(entries.slice(0, 6))).toMatchObject({
    agent_id: 'desk',
    action: 'refund',
    details: { amount: 20 },
  });
});

test('who has the floor is known until when', () => {
  const taken = entries[9]!;
  expect(floorOf(taken)).toMatchObject({ holder: 'ann', until: taken.at + 60_000 });
  expect(floorOf(entries[0]!)).toMatchObject({ holder: null });
  expect(floorOf(entries[0]!).until).toBeUndefined();
});

describe('entries', () => {
  test('come in any pieces, twice or too early, and are known once each and in order', () => {
    const place = fc.nat(entries.length);
    const pieces = fc.array(fc.tuple(place, place), { maxLength: 30 });
    fc.assert(
      fc.property(pieces, (cuts) => {
        const model = cuts.reduce<Model>(
          (now, [from, length]) => withEntries(now, entries.slice(from, from + length)),
          EMPTY,
        );
        expect(model.entries).toEqual(entries.slice(0, model.entries.length));
        expect(withEntries(model, entries).entries).toEqual(entries);
      }),
      { numRuns: 200 },
    );
  });
});

describe('an answer that is being written', () => {
  const delta = (offset: number, text: string, attempt = 1) => ({ run_id: 's1-r1', attempt, offset, text });
  const hear = (model: Model, ...told: [string, object][]): Model =>
    told.reduce((now, [event, data]) => heard(now, event, data), model);
  const piece = (...args: Parameters<typeof delta>): [string, object] => ['agent_stream_delta', delta(...args)];

  test('grows by pieces; one that comes again replaces what was heard from its offset on', () => {
    const model = hear(EMPTY, piece(0, 'One '), piece(4, 'two '), piece(0, 'One two '), piece(8, 'three'));
    expect(model.answer?.text).toBe('One two three');
  });

  test('of another attempt begins anew', () => {
    expect(hear(EMPTY, piece(0, 'One '), piece(0, 'Two', 2)).answer?.text).toBe('Two');
  });

  test('is gone with the takeover that stopped it', () => {
    const open = hear(EMPTY, piece(0, 'One '));
    expect(hear(open, ['state_change', { turn: 'suspended', run: { run_id: 's1-r1', attempt: 1 } }]).answer).toBeNull();
  });

  test('stays while its run goes on, also when something else happens', () => {
    const open = hear(EMPTY, piece(0, 'One '));
    const whispered = { turn: 'running.attempting', run: { run_id: 's1-r1', attempt: 1 } };
    expect(hear(open, ['state_change', whispered]).answer?.text).toBe('One ');
  });

  test('stays when it is finished, until its entry is there: it never flickers', async () => {
    const agent = scripted('desk', [streamed('Good ', 'day.')], { triggers: ['hello'] });
    const troupe = await createTroupe({ agents: [agent] });
    const session = troupe.session('s1');
    const sent = session.send('hello');
    const shown: string[] = [];
    await expect.poll(() => agent.calls.length).toBe(1);
    const [begun] = await troupe.journal.read(session.key);
    let model = hear(withEntries(EMPTY, [begun!.entry]), piece(0, 'Good '), piece(5, 'day.'));
    for (const _ of ['Good ', 'day.']) await vi.waitFor(() => agent.step());
    await sent;
    const [, done] = (await troupe.journal.read(session.key)).map(({ entry }) => entry);
    const look = () => shown.push(model.answer?.text ?? linesOf(model.entries).at(-1)!.kind);
    for (const one of done!.emitted) {
      model = heard(model, one.type, one);
      look();
    }
    model = heard(model, 'state_change', { turn: 'idle', run: null });
    look();
    model = withEntries(model, [done!]);
    expect(shown).toEqual(['Good day.', 'Good day.', 'Good day.']);
    expect(model.answer).toBeNull();
    expect(linesOf(model.entries).at(-1)).toMatchObject({ role: 'assistant', content: 'Good day.' });
    await troupe.close();
  });
});

describe('what lights up in a chart', () => {
  test('is the same whether a list or a snapshot names the state', () => {
    const idsOf = idsByState(graph);
    for (const { state, snapshot } of entries)
      expect([...idsOf(state)].sort()).toEqual([...idsOfValue('session', snapshot.value)].sort());
  });

  test('every state that a list can be asked for leads back to itself', () => {
    const idsOf = idsByState(graph);
    for (const { id } of graph.nodes) {
      const part = partOf(graph, id);
      if (part) expect(idsOf(part)).toContain(id);
    }
    expect(partOf(graph, 'session.open.control.human.held')).toBe('human.held');
    expect(partOf(graph, 'session.closed')).toBe('closed');
    expect(partOf(graph, 'session.open.turn')).toBeUndefined();
  });

  test('no list is asked for a state that no session rests in', () => {
    const passing = graph.nodes.filter(isPassing);
    expect(passing).not.toEqual([]);
    expect(passing.map(({ id }) => partOf(graph, id)).filter(Boolean)).toEqual([]);
  });

  test('is every arrow that a step took, and no other', () => {
    const short = (name: string) => name.replaceAll(/session\.(open\.(control\.|turn\.)?)?/g, '');
    const drawn = new Set(graph.edges.flatMap(({ source, targets }) => targets.map((to) => arrowName(source, to))));
    const told = traceEntries(sessionMachine, entries).map(({ n, transitions }) => {
      const arrows = [...arrowsOf(transitions!)];
      for (const arrow of arrows) expect(drawn).toContain(arrow);
      return `${n} ${arrows.map(short).join(', ')}`;
    });
    expect(told).toEqual([
      '1 idle → starting, starting → running',
      '2 running.attempting → running.failing, running.failing → running.backingOff',
      '3 running.backingOff → running.attempting',
      '4 running.attempting → idle',
      '5 idle → starting, starting → running',
      '6 running.attempting → running.awaitingApproval',
      '7 running.awaitingApproval → running.attempting',
      '8 running.attempting → idle',
      '9 idle → starting, starting → running',
      '10 automated → human, turn → suspended, human.deciding → human.heldUntil',
      '11 suspended → idle',
      '12 ',
    ]);
  });
});
