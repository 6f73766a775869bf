#!/usr/bin/env node
// The `troupe` command: from the sources in a checkout, from the build elsewhere, and on a Node that can run it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'src', 'cli', 'main.ts');
// Node does not strip types below node_modules, so the sources run only where they were checked out.
const main = existsSync(source) && !root.includes('node_modules') ? source : join(root, 'dist', 'src', 'cli', 'main.js');

const isNewEnough = (version) => {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
};

if (isNewEnough(process.version)) {
  const { run } = await import(main);
  await run(process.argv.slice(2));
} else {
  const node = newerNode();
  if (!node) {
    console.error(
      `troupe needs Node 22.18 or newer, and this is ${process.version}. Install it, or run: npx -p node@24 -p troupe troupe`,
    );
    process.exit(1);
  }
  const { status, signal } = spawnSync(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exit(status ?? (signal ? 1 : 0));
}

/** A checkout brings its own Node; elsewhere a newer one may stand later on the path. */
function newerNode() {
  const folders = [join(root, 'node_modules', '.bin'), ...(process.env.PATH ?? '').split(delimiter)];
  return folders
    .map((folder) => join(folder, 'node'))
    .find((node) => existsSync(node) && isNewEnough(String(spawnSync(node, ['--version']).stdout ?? '').trim()));
}
