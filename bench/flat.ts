// Whether costs stay flat: the same turns with 1,000, 10,000 and 100,000 known sessions, ten times apart.
import { type Figure, median, perOperation } from './measure.ts';
import { benchTroupe, sessionsOf, sqlite, turns } from './turns.ts';

const SIZES = [1_000, 10_000, 100_000] as const;
const ACTIVE = 512;
const ROUNDS = 7;

/** Turns of 512 sessions, a wake of each, and a read of a history, while so many sessions are known. */
export async function flat(): Promise<Figure[]> {
  const troupes = [];
  for (const size of SIZES) {
    const troupe = await benchTroupe(sqlite(), 0);
    for (let from = 0; from < size; from += 500) {
      await turns(sessionsOf(troupe, 500, from), 500);
      troupe.orchestrator.sweep();
    }
    troupes.push({ size, troupe });
  }
  const kinds = { turn: 'a durable turn', wake: 'waking a session', list: 'a page of 100 sessions' } as const;
  const times = new Map<string, number[]>();
  const note = (kind: string, size: number, time: number) => {
    const key = `${kind} ${size}`;
    times.set(key, [...(times.get(key) ?? []), time]);
  };
  for (let round = 0; round <= ROUNDS; round += 1)
    for (const { size, troupe } of troupes) {
      // Spread over all that are known, so that locality does not flatter the large one.
      const active = Array.from({ length: ACTIVE }, (_, index) =>
        troupe.session(`s${Math.floor((index * size) / ACTIVE)}`),
      );
      troupe.orchestrator.sweep();
      const wake = await perOperation(ACTIVE, async () => {
        for (const { key } of active) await troupe.orchestrator.find(key);
      });
      const turn = await perOperation(5_120, () => turns(active, 5_120));
      const list = await perOperation(50, async () => {
        for (let page = 0; page < 50; page += 1)
          await troupe.conversations.list({ tenant: 'default', after: active[page]!.key });
      });
      if (round === 0) continue;
      note('wake', size, wake);
      note('turn', size, turn);
      note('list', size, list);
    }
  for (const { troupe } of troupes) await troupe.close();
  return Object.entries(kinds).map(([kind, name]) => {
    const [small, middle, large] = SIZES.map((size) => median(times.get(`${kind} ${size}`)!)) as [
      number,
      number,
      number,
    ];
    const ratio = Math.max(large, middle) / small;
    return {
      name: `${name} with 100,000 known sessions, beside 1,000`,
      ours: large,
      floor: small,
      unit: 'µs',
      ratio,
      target: '≤ 1.15',
      holds: ratio <= 1.15,
      cost: `with ${SIZES.map((size) => size.toLocaleString('en')).join(' / ')} sessions: ${[small, middle, large].map((time) => time.toFixed(1)).join(' / ')} µs`,
    };
  });
}
