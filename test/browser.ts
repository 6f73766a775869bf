// Pages of a real headless Chromium: they note what goes wrong in them, and are looked over for people who cannot see or use a mouse.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

export interface Tab {
  readonly page: Page;
  /** What the page complained about in the console, and what it threw, so far. */
  readonly complaints: readonly string[];
  /** From here on the service may be away: what the browser says of that is no complaint. */
  forgive(which: RegExp): void;
}

/** Opens a page in a context of its own; the test fails when the page complains. */
export async function openTab(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Tab> {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const said: string[] = [];
  let forgiven: RegExp | undefined;
  const complain = (text: string): void => {
    if (!forgiven?.test(text)) said.push(text);
  };
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complain(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complain(`thrown: ${error.stack ?? error.message}`));
  onTestFinished(async () => {
    await context.close();
    expect(said).toEqual([]);
  });
  page.setDefaultTimeout(10_000);
  await page.goto(url);
  return {
    page,
    complaints: said,
    forgive: (which) => {
      forgiven = which;
    },
  };
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds in a page that hinders people seriously, in its own words; by all its rules, unless only some are named. */
export async function hindrances(page: Page, rules?: readonly string[]): Promise<string[]> {
  await page.evaluate(axe);
  const { violations } = await page.evaluate<any>(
    `axe.run(document, ${JSON.stringify({ resultTypes: ['violations'], ...(rules && { runOnly: rules }) })})`,
  );
  return violations
    .filter(({ impact }: { impact: string }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, help, nodes }: { id: string; help: string; nodes: { target: string[]; failureSummary: string }[] }) =>
        `${id}: ${help}\n${nodes.map(({ target, failureSummary }) => `  ${target.join(' ')}: ${failureSummary}`).join('\n')}`,
    );
}
