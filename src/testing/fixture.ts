// Replays a session exported from a live service on a chart, as a test that then continues from there.
import type { AnyStateMachine } from 'xstate';
import { z } from 'zod';
import { CREATE } from '../../actors/session.ts';
import { sessionMachine } from '../../machines/session/machine.ts';
import { parse } from '../platform/parse.ts';
import { type Fixture, FORMAT } from '../sessions/fixture.ts';
import { refold } from '../sessions/replay.ts';
import { difference } from './play/difference.ts';
import { Walk } from './walk.ts';

const fixture = z.looseObject({
  format: z.literal(FORMAT),
  session_id: z.string(),
  machine: z.string(),
  entries: z.array(z.looseObject({ n: z.int(), event: z.looseObject({ type: z.string() }) })).min(1),
});

/** The chart no longer leads where it led when the session was recorded. */
export class AnotherLife extends Error {
  override name = 'AnotherLife';
  /** The first entry that differs. */
  readonly at: number;

  constructor(at: number, why: string, difference = '') {
    super(`entry ${at} comes out otherwise: ${why}${difference && ` (- as it was, + as it is)\n${difference}`}`);
    this.at = at;
  }
}

/**
 * Replays a fixture on a chart, by default the session chart: every snapshot and every emitted event must equal the recorded
 * ones. Returns the chart in the session's last state, so that a test continues from there:
 *
 *     const s = replay(JSON.parse(readFileSync('refund.json', 'utf8')));
 *     s.send({ type: 'takeover', by: 'ann' });
 *     expect(s.state).toBe('human.held/suspended');
 *
 * Throws `AnotherLife` naming the first entry that differs, `Refused` if the input is not a fixture.
 */
export function replay<M extends AnyStateMachine = typeof sessionMachine>(
  lived: Fixture | unknown,
  machine: M = sessionMachine as unknown as M,
): Walk<M> {
  const { entries } = parse(fixture, lived, 'fixture') as unknown as Fixture;
  const refolding = refold(entries, machine);
  if (!refolding.identical) {
    const { at, why, stored, refolded } = refolding;
    throw new AnotherLife(at, why, stored === undefined ? '' : difference(written(stored), written(refolded)));
  }
  const walk = new Walk(machine, entries[0]!.init);
  for (const { event } of entries) if (event.type !== CREATE) walk.send(event as never);
  return walk;
}

const written = (value: unknown): string => JSON.stringify(value, undefined, 2);
