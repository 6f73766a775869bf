// A process may die between any two steps of its loop: what a user, a caller and a listener see is the same.
import { describe, expect, it } from 'vitest';
import { scenario } from './crash.scripts.ts';
import type { Point } from './crash.ts';
import { random } from './random.ts';

const SEED = Number(process.env.SEED ?? 20_261_121);
const SCENARIOS = Number(process.env.SCENARIOS ?? 300);

describe('a process that dies between any two steps', () => {
  it(`leaves the same transcript, events, replies and debts as one that lives (seed ${SEED})`, {
    timeout: 600_000,
  }, async () => {
    const chance = random(SEED);
    const died = new Map<Point, number>();
    const happened = new Map<string, number>();
    let lives = 0;
    for (let index = 0; index < SCENARIOS; index += 1) {
      const { happened: types, deaths } = await scenario(chance, `seed ${SEED}, scenario ${index}`);
      for (const type of types) happened.set(type, (happened.get(type) ?? 0) + 1);
      for (const point of deaths) died.set(point, (died.get(point) ?? 0) + 1);
      lives += deaths.length;
    }
    console.log(
      `${SCENARIOS} scripts, ${lives} deaths (seed ${SEED}):`,
      Object.fromEntries(died),
      Object.fromEntries(happened),
    );
    expect(lives).toBeGreaterThan(1_000);
    // What the scripts are there for did happen, and more than once.
    for (const type of ['tool_finished', 'approval_requested', 'agent_transferred', 'run_suspended', 'input_requested'])
      expect(happened.get(type) ?? 0, `${type} in the scripts`).toBeGreaterThan(5);
  });
});
