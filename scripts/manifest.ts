// Points the exports of a package at its sources, as in a checkout, or at its build, as in a tarball: npm runs it around packing.
//
//   node scripts/manifest.ts built|sources [folder]
//
// A checkout exports its sources, so that `from 'troupe'` is the code at hand, with nothing built. What is installed cannot: Node
// strips no types below node_modules. pnpm has `publishConfig.exports` for this; npm has nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

type Target = string | { readonly types: string; readonly default: string };

const built = (target: Target): Target => {
  const source = typeof target === 'string' && /^\.\/(.*)\.ts$/.exec(target)?.[1];
  return source ? { types: `./dist/${source}.d.ts`, default: `./dist/${source}.js` } : target;
};

const sources = (target: Target): Target =>
  typeof target === 'string' ? target : target.types.replace('./dist/', './').replace(/\.d\.ts$/, '.ts');

const [form, folder = new URL('..', import.meta.url).pathname] = process.argv.slice(2);
const rewrite = { built, sources }[form ?? ''];
if (!rewrite) throw new Error('usage: node scripts/manifest.ts built|sources [folder]');

const file = join(folder, 'package.json');
const manifest = JSON.parse(readFileSync(file, 'utf8')) as { exports: Record<string, Target> };
manifest.exports = Object.fromEntries(
  Object.entries(manifest.exports).map(([name, target]) => [name, rewrite(target)]),
);
writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
