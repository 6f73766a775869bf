// Where files lie, and which folders may import which: docs/decisions/0008-layers.md says why.
import { execSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

/** From the bottom up; those in one line import each other, or could. */
const LAYERS = [
  ['src/platform', 'machines'],
  ['src/emitted'],
  ['src/transport', 'src/nats'],
  ['src/journal'],
  ['actors'],
  ['src/tools', 'src/llm'],
  ['src/agents'],
  ['src/diagram', 'src/routing'],
  ['src/sessions', 'src/config'],
  ['src/charts', 'src/orchestration', 'src/cluster'],
  ['src/fleet', 'src/inspect', 'src/jobs'],
  ['src/interfaces'],
  ['src', 'src/testing'],
  ['src/cli'],
  ['src/prove'],
];

const root = new URL('..', import.meta.url).pathname;
const files = execSync('git ls-files --cached --others --exclude-standard machines actors src', {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file.endsWith('.ts') && existsSync(join(root, file)));
const code = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

interface Import {
  readonly from: string;
  readonly to: string;
  /** Gone once types are stripped. */
  readonly isType: boolean;
}

const imports: Import[] = files.flatMap((from) =>
  [...code.get(from)!.matchAll(/^(?:import|export)\s+(type\s+)?([^;']*?)from '(\.[^']+)'/gm)].flatMap(
    ([, type, names, path]) => {
      const to = join(dirname(from), path!);
      const named = /^\{([^}]*)\}\s*$/
        .exec(names!)?.[1]
        ?.split(',')
        .filter((name) => name.trim() !== '');
      const isType = type !== undefined || named?.every((name) => name.trim().startsWith('type ')) === true;
      return code.has(to) ? [{ from, to, isType }] : [];
    },
  ),
);

const folderOf = (file: string): string => /^src\/[^/]+(?=\/)|^[^/]+/.exec(file)![0];
const layerOf = (file: string): number => LAYERS.findIndex((layer) => layer.includes(folderOf(file)));

test('every folder has a layer', () => {
  expect(files.filter((file) => layerOf(file) < 0)).toEqual([]);
});

test('a folder imports only from its own layer and those below', () => {
  const upward = imports.filter(({ from, to, isType }) => !isType && layerOf(to) > layerOf(from));
  expect(upward.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test('charts import no actor and nothing of the runtime but types', () => {
  const out = imports.filter(
    ({ from, to, isType }) => folderOf(from) === 'machines' && folderOf(to) !== 'machines' && !isType,
  );
  expect(out).toEqual([]);
});

test('only what the library gives lies loose in src', () => {
  expect(files.filter((file) => /^src\/[^/]+$/.test(file)).sort()).toEqual([
    'src/http.ts',
    'src/index.ts',
    'src/nats.ts',
    'src/options.ts',
    'src/serve.ts',
    'src/testing.ts',
    'src/troupe.ts',
  ]);
});

test('no values are imported in a circle', () => {
  const left = new Map(
    files.map((file) => [
      file,
      new Set(imports.filter(({ from, isType }) => from === file && !isType).map(({ to }) => to)),
    ]),
  );
  for (let before = -1; before !== left.size; ) {
    before = left.size;
    for (const [file, needed] of left) {
      for (const to of needed) if (!left.has(to)) needed.delete(to);
      if (needed.size === 0) left.delete(file);
    }
  }
  expect([...left.keys()]).toEqual([]);
});
