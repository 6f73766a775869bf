// The headless Chromium of tests and benches: the machine's own, or none.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const path = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((file) => existsSync(file));

/** Why tests in a browser cannot run here; undefined when they can. */
export const noBrowser: string | undefined = path ? undefined : 'there is no chromium on the path';

export const startBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: path!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
