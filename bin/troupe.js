#!/usr/bin/env node
// The `troupe` command: from the sources in a checkout, from the build elsewhere, and on a Node that can run it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);

if (isNewEnough(process.version)) {
  const { run } = await import(pathToFileURL(main()).href);
  await run(args);
} else runWith(newerNode());

/** A published package has no sources: Node strips no types below `node_modules`. */
function main() {
  const source = join(root, 'src', 'cli', 'main.ts');
  return existsSync(source) ? source : join(root, 'dist', 'src', 'cli', 'main.js');
}

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** A checkout brings its own Node; elsewhere a newer one may stand later on the path. */
function newerNode() {
  const folders = [join(root, 'node_modules', '.bin'), ...(process.env.PATH ?? '').split(delimiter)];
  return folders
    .map((folder) => join(folder, 'node'))
    .find((node) => existsSync(node) && isNewEnough(String(spawnSync(node, ['--version']).stdout ?? '').trim()));
}

function runWith(node) {
  if (!node) {
    console.error(
      `troupe needs Node 22.18 or newer, this is ${process.version}, and there is no newer one on the path.`,
    );
    process.exit(1);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...args], { stdio: 'inherit' });
  // Whoever stops us means the command.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : code));
}
