// What the inspector costs its reader: frames per second of the fleet view while 10,000 sessions change, beside the same page idle.
import { setTimeout as pause } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { createServer } from '../src/interfaces/http/server.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';
import { noBrowser, startBrowser } from '../test/chromium.ts';
import { type Figure, say, sideBySide } from './measure.ts';

const SESSIONS = 10_000;
const PER_SECOND = 1_000;
const SECONDS = 5;
const ROUNDS = 3;
/** Between two bursts of events, ms. */
const BEAT = 10;

export async function inspector(): Promise<Figure[]> {
  if (noBrowser) {
    say(`  the inspector is not measured: ${noBrowser}`);
    return [];
  }
  const agents = [{ id: 'echo', run: (text: string) => text }];
  const troupe = await createTroupe({ agents, max_resident: SESSIONS * 2, passivate_ms: 3_600_000 });
  const server = await createServer(troupe);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const browser = await startBrowser();
  try {
    for (let n = 0; n < SESSIONS; n += 1) await troupe.session(`s${n}`).send('hello', { agent_id: 'echo' });
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    const loading = await load(page, `${url}/inspector/#/fleet`);
    await page.getByTestId('fleet-total').getByText('10,000').waitFor();
    await frames(page);
    let longest = 0;
    let told = 0;
    const { ours, floor } = await sideBySide(
      ROUNDS,
      async () => {
        const traffic = change(troupe);
        const busy = await frames(page);
        const events = await traffic.stop();
        longest = Math.max(longest, busy.longest);
        told = Math.max(told, events / SECONDS);
        return busy.perSecond;
      },
      async () => (await frames(page)).perSecond,
    );
    const moving: Figure = {
      name: `frames of the fleet view, ${SESSIONS.toLocaleString('en')} sessions changing at ${PER_SECOND.toLocaleString('en')} events/s, beside the same page idle`,
      ours,
      floor,
      unit: 'frames/s',
      ratio: ours / floor,
      target: '≥ 0.8',
      holds: ours / floor >= 0.8,
      cost: `${Math.round(told)} events/s reached; the longest frame took ${Math.round(longest)} ms; service and browser share this machine's cores`,
    };
    return [...loading, moving];
  } finally {
    await browser.close();
    await server.close();
    await troupe.close();
  }
}

const USEFUL = 1_500;
const SIZE = 300 * 1024;

/** A browser that was never here opens the page: until the chart has its counts, and what came over the wire for it. */
async function load(page: Page, url: string): Promise<Figure[]> {
  const began = performance.now();
  await page.goto(url);
  await page.getByTestId('fleet-total').waitFor();
  const useful = performance.now() - began;
  const bytes = await page.evaluate<number>(
    `performance.getEntries().reduce((sum, { transferSize = 0 }) => sum + transferSize, 0)`,
  );
  const first = (name: string, ours: number, floor: number, unit: string, target: string, cost: string): Figure => ({
    ...{ name, ours, floor, unit, ratio: ours / floor, target, holds: ours <= floor, cost },
  });
  return [
    first(
      'the inspector is useful, cold',
      useful,
      USEFUL,
      'ms',
      '≤ 1 (1.5 s)',
      'from the address to the fleet with its counts',
    ),
    first(
      'its first load over the wire',
      bytes,
      SIZE,
      'B',
      '≤ 1 (300 KB)',
      'React and the chart; ELK comes when it is needed',
    ),
  ];
}

/** What the page draws in `SECONDS`: frames per second, and the longest time between two, ms. */
async function frames(page: Page): Promise<{ perSecond: number; longest: number }> {
  const counted = await page.evaluate<{ frames: number; longest: number }>(`new Promise((resolve) => {
    const began = performance.now();
    let frames = 0, longest = 0, last = began;
    const draw = (now) => {
      frames += 1;
      longest = Math.max(longest, now - last);
      last = now;
      if (now - began < ${SECONDS * 1_000}) requestAnimationFrame(draw);
      else resolve({ frames, longest });
    };
    requestAnimationFrame(draw);
  })`);
  return { perSecond: counted.frames / SECONDS, longest: counted.longest };
}

/** Takes sessions over and gives them back, as many at a time as the pace asks for. */
function change(troupe: Troupe): { stop(): Promise<number> } {
  let going = true;
  let events = 0;
  const run = (async () => {
    const began = performance.now();
    while (going) {
      const due = ((performance.now() - began) / 1_000) * PER_SECOND;
      const batch = [];
      for (; events < due; events += 1) {
        const session = troupe.session(`s${(events * 7) % SESSIONS}`);
        const held = Math.floor((events * 7) / SESSIONS) % 2 === 1;
        batch.push((held ? session.release() : session.takeOver({ by: 'ann' })).catch(() => {}));
      }
      await Promise.all(batch);
      await pause(BEAT);
    }
  })();
  return {
    async stop() {
      going = false;
      await run;
      return events;
    },
  };
}
