// The tests of properties, with other values and more of them: what is fed to transcripts, journals, parsers and routes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Suite } from './suite.ts';

/** Values that each property is tried with where it does not say so itself. */
const RUNS = 1_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The suite of all journals, which has a property, is a part of this test. */
const JOURNAL = 'journal.test.ts';

export const properties: Suite = {
  name: 'properties',
  patience: 300_000,
  async round(seed) {
    const folder = await mkdtemp(join(tmpdir(), 'troupe-'));
    const report = join(folder, 'report.json');
    try {
      const args = ['run', '--reporter=json', `--outputFile=${report}`, ...(await files())];
      const vitest = spawn(join(ROOT, 'node_modules/.bin/vitest'), args, {
        cwd: ROOT,
        env: { ...process.env, SEED: `${seed}`, RUNS: `${RUNS}` },
        stdio: 'ignore',
      });
      await once(vitest, 'exit');
      return judged(JSON.parse(await readFile(report, 'utf8')));
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

async function files(): Promise<string[]> {
  const tests = (await readdir(join(ROOT, 'test'))).filter((name) => name.endsWith('.test.ts'));
  const texts = await Promise.all(tests.map((name) => readFile(join(ROOT, 'test', name), 'utf8')));
  return tests
    .filter((name, index) => name === JOURNAL || texts[index]!.includes('fc.assert('))
    .map((name) => join('test', name));
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly failureMessages: readonly string[] }[];
  }[];
}

function judged({ numPassedTests, numFailedTests, testResults }: Report) {
  const failures = testResults.flatMap(({ status, message, assertionResults }) => [
    ...(status === 'failed' && message ? [message] : []),
    ...assertionResults.flatMap(({ fullName, failureMessages }) => failureMessages.map((why) => `${fullName}: ${why}`)),
  ]);
  return {
    counts: { 'tests passed': numPassedTests, 'tests failed': numFailedTests },
    ...(failures.length > 0 && { failure: failures.join('\n') }),
  };
}
