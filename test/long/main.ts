// `npm run test:long`: what the tests play once, played with other seeds until the time is over.
//
// `--minutes` (10) and `--seed` (drawn) say how long and from where on; `--suite` plays one of them; `--rounds` counts instead of
// waiting. `--suite` with `--seed` and nothing else plays that one round. Exits with 1 when a round failed.
import { parseArgs } from 'node:util';
import { type Progress, progress } from '../../src/cli/progress.ts';
import { table } from '../../src/cli/table.ts';
import { crashes } from './crashes.ts';
import { kills } from './kills.ts';
import { keep, known } from './known.ts';
import { type Played, play } from './play.ts';
import { properties } from './properties.ts';
import { starts } from './starts.ts';
import { takeovers } from './takeovers.ts';

const SUITES = [kills, crashes, starts, takeovers, properties];

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    suite: { type: 'string' },
    rounds: { type: 'string' },
  },
});
const named = values.suite === undefined ? SUITES : SUITES.filter(({ name }) => name === values.suite);
if (named.length === 0)
  fail(`there is no suite ${values.suite}; there are ${SUITES.map(({ name }) => name).join(', ')}`);
for (const { name, without } of named) if (without) console.error(`${name} is not played: ${without}`);
const suites = named.filter(({ without }) => !without);

const alone = values.suite !== undefined && values.seed !== undefined && !values.minutes && !values.rounds;
const rounds = alone ? 1 : (number('rounds') ?? Number.POSITIVE_INFINITY);
const minutes = number('minutes') ?? (rounds < Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : 10);
const seed = number('seed') ?? Math.floor(Math.random() * 2 ** 31);

console.error(`seed ${seed}`);
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

// Of the rounds where they are counted, else of the seconds that a suite may take.
const share = Number.isFinite(rounds) ? rounds : Math.round((minutes * 60) / suites.length);
if (process.stderr.isTTY) process.stderr.write('\n'.repeat(suites.length));
const bars = new Map<Played['suite'], { readonly bar: Progress; shown: number }>();
for (const [index, suite] of suites.entries()) {
  const bar = progress(suite.name.padEnd(10), share, { above: suites.length - index });
  bars.set(suite, { bar, shown: 0 });
}

const options = { seed, rounds, time: minutes * 60_000, known: alone ? [] : known() };
const all = await play(suites, options, ({ suite, spent, rounds: played, failures }) => {
  const shown = bars.get(suite)!;
  const now = Math.min(share, Number.isFinite(rounds) ? played : Math.floor(spent / 1_000));
  shown.bar.add(now - shown.shown);
  shown.shown = now;
  const last = failures.at(-1);
  if (last) keep({ suite: suite.name, seed: last.seed, why: last.why.split('\n')[0]!.slice(0, 200) });
});
for (const { bar } of bars.values()) bar.done();

for (const { suite, failures } of all)
  for (const { seed, why } of failures)
    console.log(`✗ ${suite.name}, seed ${seed}: ${why}\n  npm run test:long -- --suite ${suite.name} --seed ${seed}\n`);
const counted = (counts: Played['counts']) => [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
console.log(
  table(
    ['suite', 'rounds', 'failed', 'seconds', 'counted'],
    all.map(({ suite, rounds, failures, spent, counts }) => [
      suite.name,
      rounds,
      failures.length,
      Math.round(spent / 1_000),
      counted(counts),
    ]),
  ),
);
const failed = all.reduce((sum, { failures }) => sum + failures.length, 0);
console.log(`${all.reduce((sum, { rounds }) => sum + rounds, 0) - failed} passed, ${failed} failed`);
// A round that hangs leaves things behind that nothing ends.
process.exit(failed > 0 ? 1 : 0);

function number(option: 'minutes' | 'rounds' | 'seed'): number | undefined {
  const text = values[option];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0) || (option !== 'minutes' && !Number.isInteger(value)))
    fail(`--${option} takes a number from 0 on, not "${text}"`);
  return value;
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
