// The package as another project has it: built, packed, unpacked below its node_modules, type-checked and run there.
import { execFile, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify, stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startNats } from './nats.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const home = mkdtempSync(join(tmpdir(), 'troupe-package-'));
const project = join(home, 'project');
const installed = join(project, 'node_modules', 'troupe');

const run = async (program: string, args: string[], cwd: string): Promise<string> => {
  try {
    return (await promisify(execFile)(program, args, { cwd })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(' ')}\n${stdout}${stderr}`);
  }
};
const tsc = join(root, 'node_modules', '.bin', 'tsc');
const node = process.execPath;

/** The code in text: what stands between fences of TypeScript. */
const codeIn = (text: string): string[] => [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code!);

/** The `@example`s of what is exported, each by the name of what it is of, and the first files that the README shows. */
const examples = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .flatMap((file) => [
    ...readFileSync(join(root, 'src', file), 'utf8').matchAll(
      /^ \* @example\n(.*?)^ \*\/\nexport (?:async )?(?:function|const) (\w+)/gms,
    ),
  ])
  .map(([, comment, name]) => ({ name: name!, code: codeIn(comment!.replaceAll(/^ \*( |$)/gm, ''))[0]! }));
const [configuration, inServer, opened] = codeIn(readFileSync(join(root, 'README.md'), 'utf8'));
const written = [
  ...examples.map(({ name, code }) => ({ name: `example-${name}.ts`, code })),
  { name: 'troupe.config.ts', code: configuration! },
  { name: 'in-server.ts', code: inServer! },
  { name: 'opened.ts', code: opened! },
];

/** Builds, packs and unpacks it; the inspector's page is left out, which takes Vite longer than all the rest. */
beforeAll(async () => {
  const staged = join(home, 'staged');
  await run(tsc, ['-p', 'tsconfig.build.json', '--outDir', join(staged, 'dist')], root);
  for (const name of [
    'package.json',
    'README.md',
    'LICENSE',
    ...manifest.files.filter((name: string) => name !== 'dist'),
  ])
    cpSync(join(root, name), join(staged, name), { recursive: true });
  await run(node, [join(root, 'scripts', 'manifest.ts'), 'built', staged], root);
  await run('npm', ['pack', '--ignore-scripts', '--offline'], staged);
  const tarball = readdirSync(staged).find((name) => name.endsWith('.tgz'))!;
  mkdirSync(installed, { recursive: true });
  await run('tar', ['-xzf', join(staged, tarball), '-C', installed, '--strip-components=1'], project);
  for (const name of [...Object.keys(manifest.dependencies), '@types/node', 'undici-types']) {
    const link = join(project, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'shop', type: 'module' }));
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        ...{
          target: 'es2024',
          lib: ['es2024', 'esnext.disposable'],
          module: 'nodenext',
          types: ['node'],
          strict: true,
        },
        ...{ noEmit: true, allowImportingTsExtensions: true, skipLibCheck: false },
      },
    }),
  );
  cpSync(join(root, 'examples'), project, { recursive: true });
  cpSync(join(root, 'test', 'types'), join(project, 'types'), { recursive: true });
  writeFileSync(join(project, 'everything.ts'), everything);
  for (const { name, code } of written) writeFileSync(join(project, name), code);
}, 120_000);
afterAll(() => rmSync(home, { recursive: true }));

/** Imports every entry point, and is an error where one of them came without its types. */
const everything = `
import { createTroupe } from 'troupe';
import { createServer } from 'troupe/http';
import { machines, sessionMachine, settings } from 'troupe/machines';
import { natsPort } from 'troupe/nats';
import { start } from 'troupe/testing';

const troupe = await createTroupe({ agents: [{ id: 'echo', triggers: ['hello'], run: (text) => 'You said: ' + text }] });
// @ts-expect-error
export const untyped = () => troupe.nothing;
const app = await createServer(troupe);
const { statusCode } = await app.inject('/v1/agents');
// @ts-expect-error
export const unserved = () => [createServer(), 1];
// @ts-expect-error
export const unheard = () => natsPort();
const port = await natsPort(troupe.transport);
// @ts-expect-error
export const unstarted = () => start();
const walk = start(sessionMachine, { id: 's1', settings: settings.parse({}) });
// @ts-expect-error
export const uncharted = () => machines.nothing;
const { answer } = await troupe.session('s1').send('hello');
console.log(JSON.stringify({ answer, statusCode, nats: port.url.startsWith('nats:'), state: walk.state }));
await port.close();
await app.close();
await troupe.close();
`;

test('what is packed are the build, the command, the licence and the README, and every export is there with its types', async () => {
  expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'bin', 'dist', 'package.json']);
  const packed = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const { './package.json': self, ...entries } = packed.exports;
  expect(self).toBe('./package.json');
  expect(Object.keys(entries)).toEqual(['.', './http', './nats', './testing', './machines']);
  const files = Object.values<{ types: string; default: string }>(entries).flatMap((entry) => [
    entry.types,
    entry.default,
  ]);
  expect(files.filter((file) => !existsSync(join(installed, file)))).toEqual([]);
});

test('packing leaves the manifest of the checkout as it was', async () => {
  const copy = mkdtempSync(join(home, 'copy-'));
  cpSync(join(root, 'package.json'), join(copy, 'package.json'));
  for (const form of ['built', 'sources']) await run(node, [join(root, 'scripts', 'manifest.ts'), form, copy], root);
  expect(readFileSync(join(copy, 'package.json'), 'utf8')).toBe(readFileSync(join(root, 'package.json'), 'utf8'));
});

test('a project that installed it type-checks with the examples and with every public type', async () => {
  await run(tsc, ['-p', '.'], project);
});

test('a program of such a project runs with every entry point, and so do the examples', async () => {
  expect(JSON.parse(await run(node, ['everything.ts'], project))).toEqual({
    ...{ answer: 'You said: hello', statusCode: 200, nats: true, state: 'automated/idle' },
  });
  expect(await run(node, ['transitions.test.ts'], project)).toMatch(/pass 2/);
});

test('what users call most has an example, and each prints what it says', async () => {
  expect(examples.map(({ name }) => name).sort()).toEqual([
    ...['createServer', 'createTroupe', 'defineAgent', 'defineFlow', 'defineOrchestrator', 'defineTool', 'explore'],
    ...['fingerprint', 'modelServer', 'natsNode', 'play', 'sqliteJournal', 'start'],
  ]);
  const server = await startNats({ jetstream: true });
  onTestFinished(() => server.stop());
  const env = { ...process.env, NATS_URL: server.url };
  for (const { name, code } of examples) {
    const said = [...code.matchAll(/^console\.log\(.*; \/\/ (.*)$/gm)].map(([, line]) => `${line}\n`).join('');
    const { stdout } = await promisify(execFile)(node, [`example-${name}.ts`], { cwd: project, env });
    expect({ name, stdout }).toEqual({ name, stdout: said });
  }
});

test('the configuration that the README shows first serves its agent from the command', async () => {
  expect(configuration!.trim().split('\n').length).toBeLessThanOrEqual(10);
  const env = { ...process.env, HTTP_PORT: '0', NATS_PORT: 'off', DATABASE_URL: 'memory:' };
  const service = spawn(node, [join(installed, 'bin', 'troupe.js'), 'start'], { cwd: project, env });
  onTestFinished(() => void service.kill());
  let printed = '';
  const url = await new Promise<string>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      printed += stripVTControlCharacters(String(chunk));
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0];
      if (found) resolve(found);
    };
    service.stdout.on('data', hear);
    service.stderr.on('data', hear);
    service.once('exit', (code) => reject(new Error(`it ended with ${code}: ${printed}`)));
  });
  const response = await fetch(`${url}/v1/sessions/s1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ content: 'good morning' }),
  });
  expect(await response.json()).toMatchObject({ answer: 'Hello! You said "good morning" in session s1.' });
});
