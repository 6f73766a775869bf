// Builds the inspector's page in a checkout, at its first request and when its sources have changed.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Refused } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import { builtAt } from './page.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CONFIG = join(ROOT, 'inspector', 'vite.config.ts');
/** Sources of the page. */
const SOURCES = ['inspector', 'machines', join('src', 'diagram')];

const isCheckout = import.meta.url.endsWith('.ts') && existsSync(CONFIG);

export const notBuilt = (): Refused =>
  new Refused(
    'inspector_not_built',
    'the inspector is not built here; run `npm run build` where the package lies',
    503,
  );

let building: Promise<void> | undefined;

/**
 * Resolves when the page in `folder` is not older than its sources; in an installed package at once. Rejects with
 * `Refused('inspector_not_built')`, 503, when the build fails.
 */
export async function built(folder: string, log: Log): Promise<void> {
  if (!isCheckout || !isStale(folder)) return;
  building ??= build(folder, log).finally(() => {
    building = undefined;
  });
  await building;
}

function isStale(folder: string): boolean {
  const made = builtAt(folder);
  return made === undefined || SOURCES.some((source) => newestIn(join(ROOT, source)) > made);
}

const newestIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .reduce((newest, { parentPath, name }) => Math.max(newest, statSync(join(parentPath, name)).mtimeMs), 0);

async function build(folder: string, log: Log): Promise<void> {
  const vite = viteCommand();
  if (!vite) throw notBuilt();
  // Builds into a folder beside the page: another process may be serving the old page, or building too.
  const fresh = `${folder}.${process.pid}`;
  const began = performance.now();
  const args = [vite, 'build', '--config', CONFIG, '--outDir', fresh, '--emptyOutDir', '--logLevel', 'warn'];
  try {
    const { code, said } = await run(args);
    if (code !== 0) {
      log.error({ said }, 'the inspector could not be built');
      throw notBuilt();
    }
    replace(folder, fresh);
    log.info({ ms: Math.round(performance.now() - began) }, 'the inspector is built');
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function replace(folder: string, fresh: string): void {
  const old = `${fresh}.old`;
  if (existsSync(folder)) renameSync(folder, old);
  try {
    renameSync(fresh, folder);
  } catch (error) {
    // Another process built the page first; its build is as good.
    if (builtAt(folder) === undefined) throw error;
  } finally {
    rmSync(old, { recursive: true, force: true });
  }
}

/** The command of Vite; undefined in a production install, which has no dev dependencies. */
function viteCommand(): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin', 'vite.js');
  } catch {
    return undefined;
  }
}

function run(args: readonly string[]): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const hear = (chunk: Buffer): void => {
      said = (said + chunk).slice(-10_000);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('exit', (code) => resolve({ code, said }));
  });
}
