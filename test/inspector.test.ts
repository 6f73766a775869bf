// The inspector in a real browser, on a real service in a process of its own: embedded, and as a node on a real nats-server.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { createWebSocketInspector } from '@statelyai/inspect';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createActor, createMachine } from 'xstate';
import { ServiceProcess } from '../scripts/service.ts';
import { type ChartGraph, isPassing } from '../src/diagram/graph.ts';
import { replay } from '../src/testing.ts';
import { hindrances, openTab, type Tab } from './browser.ts';
import { noBrowser, startBrowser } from './chromium.ts';
import { listen } from './door.ts';
import { type NatsServer, startNats } from './nats.ts';

const config = fileURLToPath(new URL('data/inspector.config.ts', import.meta.url));
const pictures = fileURLToPath(new URL('../docs/inspector/', import.meta.url));
const withPictures = process.env.SCREENSHOTS === '1';

let browser: Browser;
beforeAll(async () => {
  if (!noBrowser) browser = await startBrowser();
});
afterAll(() => browser?.close());

const title = `the inspector of a service %s${noBrowser ? ` (skipped: ${noBrowser})` : ''}`;
describe.skipIf(noBrowser).each(['embedded', 'on a nats-server'])(title, (kind) => {
  let nats: NatsServer | undefined;
  let service: ServiceProcess;

  beforeAll(async () => {
    if (kind !== 'embedded') nats = await startNats({ jetstream: true });
    const env: Record<string, string> = nats ? { NATS_URL: nats.url } : { NATS_PORT: 'off' };
    service = await ServiceProcess.start({ config, env });
    // A checkout builds the page when it is first asked for.
    await fetch(`${service.url}/inspector/`);
  });
  afterAll(async () => {
    await service?.[Symbol.asyncDispose]();
    await nats?.stop();
  });

  const open = (hash: string, options = {}): Promise<Tab> =>
    openTab(browser, `${service.url}/inspector/${hash}`, options);

  async function ask(path: string, body?: object, tenant = 'default', headers = {}): Promise<any> {
    const response = await fetch(service.url + path, {
      headers: { 'content-type': 'application/json', 'x-tenant-id': tenant, ...headers },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    return response.json();
  }
  const say = (id: string, content: string, tenant?: string) => ask(`/v1/sessions/${id}/messages`, { content }, tenant);
  /** An agent begins to read these words out, and goes on with the next one when it is told to. */
  async function begin(id: string, words: string): Promise<void> {
    void say(id, `read out ${words}`).catch(() => {});
    await expect.poll(async () => (await ask(`/v1/sessions/${id}`)).turn).toBe('running.attempting');
  }
  const word = (id: string, index: number) => writeFile(join(service.folder, `${id}.${index}`), '');
  const handedOver = ['automated to human', 'deciding to held', 'turn to suspended'];
  /** The arrows that the last step took, as they are read out. */
  const arrows = (page: Page) =>
    page
      .locator('.react-flow__edge:has(.arrow.taken)')
      .evaluateAll((edges) => edges.map((edge) => edge.getAttribute('aria-label')!.split(':')[0]));
  const text = (page: Page, testid: string) => page.getByTestId(testid).innerText();
  const contents = (page: Page, testid: string) => page.getByTestId(testid).locator('p').allInnerTexts();

  test('the fleet counts sessions as they move, and a state lists those in it', async () => {
    const tenant = 'fleet';
    await say('s1', 'say hi', tenant);
    const { page } = await open(`#/fleet?tenant=${tenant}`);
    const count = (state: string) => page.getByTestId(`count-session.open.${state}`).first().getAttribute('data-count');
    await expect.poll(() => text(page, 'fleet-total')).toBe('1');
    await expect.poll(() => count('turn.idle')).toBe('1');
    for (const id of ['s2', 's3']) await say(id, 'say hi', tenant);
    await ask('/v1/sessions/s2/takeover', { by: 'ann' }, tenant);
    await say('s4', 'refund', tenant);
    await expect.poll(() => text(page, 'fleet-total')).toBe('4');
    await expect.poll(() => count('turn.idle')).toBe('3');
    await expect.poll(() => count('turn.running.awaitingApproval')).toBe('1');
    await expect.poll(() => count('control.human.held')).toBe('1');

    await page.getByTestId('state-session.open.control.human.held').getByRole('button').first().click();
    const list = page.getByTestId('in-state');
    await list.getByTestId('session-row-s2').waitFor();
    expect(await list.locator('li[data-testid^=session-row]').count()).toBe(1);
    await list.getByRole('link', { name: 's2' }).click();
    await expect.poll(() => text(page, 'session-state')).toBe('human.held/idle');
  });

  test('a state that no session rests in is dashed, has no number, and cannot be chosen', async () => {
    const { page } = await open('#/fleet');
    const { nodes } = (await ask('/v1/machines')).machines.session as ChartGraph;
    await page.getByText('States as a list').click();
    await page.getByTestId('count-session.open.turn.idle').nth(1).waitFor();
    const seen = [];
    for (const { id } of nodes.filter(isPassing)) {
      const box = page.getByTestId(`state-${id}`);
      const style = await page.evaluate(
        `getComputedStyle(document.querySelector('[data-testid="state-${id}"]')).borderStyle`,
      );
      const buttons = await box.getByRole('button').count();
      seen.push({ id, style, buttons, numbers: await page.getByTestId(`count-${id}`).count() });
    }
    expect(seen).not.toEqual([]);
    expect(seen).toEqual(seen.map(({ id }) => ({ id, style: 'dashed', buttons: 0, numbers: 0 })));
  });

  test('a session shows the words as they come', async () => {
    const { page } = await open('#/sessions');
    await begin('words', 'one two three');
    await page.goto(`${service.url}/inspector/#/sessions/words`);
    for (const [index, so] of ['one', 'one two'].entries()) {
      await word('words', index);
      await expect.poll(() => contents(page, 'turn-writing')).toEqual([so]);
      expect(await page.getByTestId('turn-assistant').count()).toBe(0);
    }
    await word('words', 2);
    await expect.poll(() => contents(page, 'turn-assistant')).toEqual(['one two three']);
    expect(await page.getByTestId('turn-writing').count()).toBe(0);
    expect(await contents(page, 'turn-user')).toEqual(['read out one two three']);
  });

  test('whoever takes over in a browser silences the AI for the user in the middle of its answer', async () => {
    await begin('floor', 'one two three four');
    await word('floor', 0);
    const user = await listen(`${service.url}/v1/sessions/floor/events`);
    await user.until(({ event }) => event === 'agent_stream_delta');
    const { page } = await open('#/sessions/floor');
    await page.getByTestId('turn-writing').waitFor();
    await page.getByTestId('action-takeover').click();
    await page.getByTestId('takeover-by').fill('ann');
    await page.getByTestId('takeover-go').click();
    await expect.poll(() => text(page, 'holder')).toContain('ann has the floor');
    await expect.poll(() => page.getByTestId('turn-writing').count()).toBe(0);
    await expect.poll(async () => (await arrows(page)).sort()).toEqual(handedOver);
    for (const index of [1, 2, 3]) await word('floor', index);

    await page.getByTestId('action-speak').click();
    await page.getByTestId('compose').fill('Ann here. How can I help?');
    await page.getByTestId('compose').press('Enter');
    await user.until(
      ({ event, data }) => event === 'supervisor_injected' || data.content === 'Ann here. How can I help?',
    );
    await expect.poll(() => contents(page, 'turn-supervisor')).toEqual(['Ann here. How can I help?']);
    const taken = user.heard.findIndex(({ event, data }) => event === 'state_change' && data.control === 'human');
    expect(taken).toBeGreaterThan(0);
    expect(user.heard.slice(taken).filter(({ event }) => event === 'agent_stream_delta')).toEqual([]);

    await page.getByTestId('action-release').click();
    await expect.poll(() => text(page, 'session-state')).toBe('automated/idle');
    user.close();
  });

  test('a person approves, and rejects with a reason', async () => {
    const { page } = await open('#/sessions');
    for (const [id, act, answer] of [
      ['yes', 'approve', 'It was a clear approve.'],
      ['no', 'reject', 'It was a clear reject.'],
    ] as const) {
      await say(id, 'refund');
      await page.goto(`${service.url}/inspector/#/sessions/${id}`);
      await expect.poll(() => text(page, 'approval')).toContain('Pay 20 back?');
      if (act === 'reject') await page.getByTestId('approval-reason').fill('too much');
      await page.getByTestId(`action-${act}`).click();
      await expect.poll(() => contents(page, 'turn-assistant')).toContain(answer);
      expect(await page.getByTestId('approval').count()).toBe(0);
    }
    const { entries } = await ask('/v1/sessions/no/journal');
    expect(entries.find(({ event }: any) => event.type === 'approve').event.reason).toBe('too much');
  });

  test('time is travelled, and a session forked in it with another agent', async () => {
    await say('past', 'say one');
    await say('past', 'say two');
    const { entries } = await ask('/v1/sessions/past/journal');
    const { page } = await open('#/sessions/past');
    await expect.poll(() => contents(page, 'turn-assistant')).toEqual(['say one', 'say two']);
    await page.getByTestId('timeline').focus();
    const begun = ['idle to starting', 'starting to running'];
    for (let n = entries.length - 1; n >= 1; n -= 1) {
      await page.keyboard.press('ArrowLeft');
      await expect.poll(() => text(page, 'session-state')).toBe(entries[n - 1].state);
      expect(new URL(page.url()).hash).toContain(`at=${n}`);
      await expect.poll(() => arrows(page)).toEqual(n % 2 === 0 ? ['attempting to idle'] : begun);
    }
    expect(await contents(page, 'turn-assistant')).toEqual([]);
    await page.getByTestId('fork').click();
    await page.getByTestId('fork-session').fill('another-past');
    await page.getByTestId('fork-agent').selectOption('shout');
    await page.getByTestId('fork-go').click();
    await expect.poll(() => new URL(page.url()).hash).toContain('another-past');
    await expect.poll(() => contents(page, 'turn-assistant')).toEqual(['SAY ONE']);
  });

  test('a page that is loaded again in the middle of an answer loses nothing', async () => {
    await begin('again', 'one two three');
    await word('again', 0);
    const { page } = await open('#/sessions/again');
    await expect.poll(() => contents(page, 'turn-writing')).toEqual(['one']);
    await page.reload();
    await expect.poll(() => contents(page, 'turn-writing')).toEqual(['one']);
    await word('again', 1);
    await expect.poll(() => contents(page, 'turn-writing')).toEqual(['one two']);
    await word('again', 2);
    await expect.poll(() => contents(page, 'turn-assistant')).toEqual(['one two three']);
  });

  test('a service that is killed and comes back is followed on, and nothing is missing or doubled', async () => {
    await say('back', 'say one');
    const tab = await open('#/sessions/back');
    const { page } = tab;
    await expect.poll(() => contents(page, 'turn-assistant')).toEqual(['say one']);
    tab.forgive(/ERR_CONNECTION|ERR_INCOMPLETE|ERR_NETWORK|Failed to load resource|ERR_EMPTY_RESPONSE/);
    await service.kill();
    await expect.poll(() => text(page, 'link')).not.toBe('live');
    await service.start();
    // A node of a cluster that was killed is waited for until it is known to be dead; the key makes asking again harmless.
    const again = () =>
      ask('/v1/sessions/back/messages', { content: 'say two' }, 'default', { 'idempotency-key': 'two' });
    await expect.poll(async () => (await again()).status, { timeout: 60_000 }).toBe('done');
    await expect.poll(() => contents(page, 'turn-assistant')).toEqual(['say one', 'say two']);
    await expect.poll(() => text(page, 'link')).toBe('live');
    expect(await contents(page, 'turn-user')).toEqual(['say one', 'say two']);
  });

  // The same page, whatever the service keeps its sessions in.
  describe.runIf(kind === 'embedded')('as a page', () => {
    test('a button is enabled exactly when the machine accepts its event', async () => {
      const buttons = ['pause', 'resume', 'takeover', 'release', 'cancel', 'close', 'message'];
      const agrees = async (page: Page, id: string): Promise<void> => {
        const enabled = async () => {
          const states = await Promise.all(buttons.map((name) => page.getByTestId(`action-${name}`).isEnabled()));
          return buttons.filter((_, index) => states[index]);
        };
        const { allowed } = await ask(`/v1/sessions/${id}`);
        await expect.poll(enabled).toEqual(buttons.filter((name) => allowed.includes(name)));
      };
      await say('buttons', 'say hi');
      const { page } = await open('#/sessions/buttons');
      await agrees(page, 'buttons');
      await page.getByTestId('action-pause').click();
      await expect.poll(() => text(page, 'session-state')).toBe('paused/idle');
      await agrees(page, 'buttons');
      await page.getByTestId('action-resume').click();
      await expect.poll(() => text(page, 'session-state')).toBe('automated/idle');
      await begin('buttons', 'one two');
      await agrees(page, 'buttons');
      await page.getByTestId('action-cancel').click();
      await expect.poll(() => text(page, 'session-state')).toBe('automated/idle');
      await page.getByTestId('action-close').click();
      await page.getByTestId('close-go').click();
      await expect.poll(() => text(page, 'session-state')).toBe('closed');
      await agrees(page, 'buttons');
    });

    test('everything can be done with the keyboard alone', async () => {
      await say('keys', 'say hi');
      const { page } = await open('#/sessions/keys');
      await expect.poll(() => text(page, 'session-state')).toBe('automated/idle');
      await page.keyboard.press('?');
      await page.getByRole('dialog', { name: 'Keys' }).waitFor();
      await page.keyboard.press('Escape');
      await page.keyboard.press('t');
      await page.getByTestId('takeover-by').fill('bo');
      await page.keyboard.press('Enter');
      await expect.poll(() => text(page, 'holder')).toContain('bo has the floor');
      await page.keyboard.press('w');
      await page.keyboard.type('be kind');
      await page.keyboard.press('Enter');
      await expect.poll(() => contents(page, 'turn-supervisor')).toEqual(['be kind']);
      await page.keyboard.press('Escape');
      await page.keyboard.press('l');
      await expect.poll(() => text(page, 'session-state')).toBe('automated/idle');
    });

    test('a session leaves as a test that replays', async () => {
      await say('fixture', 'refund');
      const { page } = await open('#/sessions/fixture');
      await page.getByTestId('approval').waitFor();
      const downloading = page.waitForEvent('download');
      await page.getByTestId('export').click();
      const download = await downloading;
      expect(download.suggestedFilename()).toBe('fixture.json');
      const s = replay(JSON.parse(await readFile(await download.path(), 'utf8')));
      expect(s.state).toBe('automated/running.awaitingApproval');
    });

    test('an entry opens, and the journal is drawn as a sequence', async () => {
      await say('journal', 'say hi');
      const { page } = await open('#/sessions/journal?tab=journal');
      await page.getByTestId('entry-1').click();
      await expect.poll(() => page.getByTestId('entry-open').innerText()).toContain('say hi');
      await expect.poll(() => text(page, 'transitions')).toContain('idle → starting always [messagesWait');
      await page.getByRole('tab', { name: 'Sequence' }).click();
      await expect.poll(() => page.getByTestId('sequence').locator('svg').count()).toBe(1);
    });

    test('a machine is tried in the sandbox', async () => {
      const { page } = await open('#/machines/session');
      await expect.poll(() => text(page, 'sandbox-state')).toBe('automated/idle');
      await page.getByTestId('sandbox-event-message').click();
      await expect.poll(() => text(page, 'sandbox-state')).toBe('automated/running.attempting');
      await page.getByTestId('sandbox-event-takeover').click();
      await expect.poll(() => text(page, 'sandbox-state')).toBe('human.held/suspended');
      await expect.poll(async () => (await arrows(page)).sort()).toEqual(handedOver);
      await page.getByTestId('sandbox-back').click();
      await expect.poll(() => text(page, 'sandbox-state')).toBe('automated/running.attempting');
      for (const name of ['breaker', 'react', 'shard']) {
        await page.getByTestId(`machine-${name}`).click();
        await page.locator(`[data-testid^="state-${name}."]`).first().waitFor();
      }
    });

    test('a machine of another program shows up', async () => {
      const light = createMachine({
        id: 'light',
        initial: 'off',
        states: { off: { on: { press: 'on' } }, on: { on: { press: 'off' } } },
      });
      const inspector = createWebSocketInspector({
        url: `${service.url.replace('http', 'ws')}/v1/inspect?tenant=foreign`,
      });
      onTestFinished(() => inspector.stop());
      const actor = createActor(light, { inspect: inspector.inspect }).start();
      const { page } = await open('#/foreign?tenant=foreign');
      await page
        .getByRole('link', { name: /light/ })
        .or(page.getByRole('button', { name: /light/ }))
        .first()
        .click();
      await expect.poll(() => text(page, 'actor-value')).toContain('off');
      actor.send({ type: 'press' });
      await expect.poll(() => text(page, 'actor-value')).toContain('on');
    });
  });

  describe.runIf(kind === 'embedded')('for everybody', () => {
    const views = [
      '#/fleet?tenant=views',
      '#/sessions?tenant=views',
      '#/sessions/asked?tenant=views',
      '#/machines/session',
      '#/foreign',
    ];

    beforeAll(async () => {
      await say('held', 'say hi', 'views');
      await ask('/v1/sessions/held/takeover', { by: 'ann' }, 'views');
      await say('asked', 'say What did I order?', 'views');
      await say('asked', 'refund', 'views');
    });

    /** The view is there when its heading is, and nothing is being fetched. */
    const settle = async (page: Page): Promise<void> => {
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForTimeout(400);
    };

    // Only the colours are others in the dark.
    test.each([
      ['light', undefined],
      ['dark', ['color-contrast']],
    ] as const)('nothing hinders seriously, in %s', async (colorScheme, rules) => {
      const { page } = await open(views[0]!, { colorScheme });
      for (const view of views) {
        await page.goto(`${service.url}/inspector/${view}`);
        await settle(page);
        expect(await hindrances(page, rules), view).toEqual([]);
      }
    });

    test('a narrow window shows all of it', async () => {
      const { page } = await open(views[0]!, { viewport: { width: 360, height: 740 } });
      for (const view of views) {
        await page.goto(`${service.url}/inspector/${view}`);
        await settle(page);
        const width = await page.evaluate('document.documentElement.scrollWidth');
        expect(width, view).toBeLessThanOrEqual(360);
      }
      await page.goto(`${service.url}/inspector/${views[2]}`);
      await page.getByTestId('action-approve').scrollIntoViewIfNeeded();
      const box = (await page.getByTestId('action-approve').boundingBox())!;
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width).toBeLessThanOrEqual(360);
    });

    test('the first load is at most 300 KB, gzipped, and soon useful', async () => {
      const { page } = await open('#/foreign');
      const files = new Map<string, number>();
      page.on('response', async (response) => {
        if (!response.url().includes('/inspector/')) return;
        files.set(response.url(), gzipSync(await response.body().catch(() => Buffer.alloc(0))).length);
      });
      await page.goto('about:blank');
      await page.goto(`${service.url}/inspector/#/fleet`);
      await page.getByTestId('count-session.open.turn.idle').first().waitFor();
      const size = [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
      expect(files.size).toBeGreaterThan(2);
      expect(size).toBeGreaterThan(10_000);
      expect(size).toBeLessThanOrEqual(300 * 1024);
    });

    test.runIf(withPictures)('it looks like this', { timeout: 300_000 }, async () => {
      const tenant = 'pictures';
      for (let n = 1; n <= 24; n += 1) await say(`guest-${n}`, n % 4 === 0 ? 'refund' : 'say Good morning.', tenant);
      for (const n of [1, 2, 3]) await ask(`/v1/sessions/guest-${n}/takeover`, { by: 'ann' }, tenant);
      for (const n of [5, 6]) await ask(`/v1/sessions/guest-${n}/pause`, {}, tenant);
      const id = 'guest-7';
      await say(id, 'say Your order 4711 is on its way.', tenant);
      await ask(`/v1/sessions/${id}/takeover`, { by: 'ann' }, tenant);
      await ask(`/v1/sessions/${id}/inject`, { by: 'ann', content: 'Ann here. It arrives tomorrow.' }, tenant);
      await ask(`/v1/sessions/${id}/release`, {}, tenant);
      await say(id, 'refund', tenant);
      const pictured = { fleet: '#/fleet', session: `#/sessions/${id}`, machines: '#/machines/breaker' };
      for (const [look, options] of [
        ['light', { colorScheme: 'light', viewport: { width: 1440, height: 900 } }],
        ['dark', { colorScheme: 'dark', viewport: { width: 1440, height: 900 } }],
        ['narrow', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
      ] as const) {
        const { page } = await open(`#/fleet?tenant=${tenant}`, options);
        for (const [name, view] of Object.entries(pictured)) {
          if (look === 'narrow' && name === 'machines') continue;
          await page.goto(`${service.url}/inspector/${view}?tenant=${tenant}`);
          await settle(page);
          await page.screenshot({ path: `${pictures}${name}-${look}.png` });
        }
      }
    });
  });
});
