// How long it takes to route a message by trigger, for sets of agents ten times apart, beside cutting it into words alone.

import { wordsOf } from '../src/platform/words.ts';
import { type Candidate, compileTriggers } from '../src/routing/triggers.ts';

const TRIGGERS = 5;
const MESSAGES = 20_000;
const ROUNDS = 7;

// A fixed linear congruence instead of chance: every run sees the same words.
let seed = 42;
const pick = (below: number): number => {
  seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
  return Math.floor((seed / 2 ** 31) * below);
};

const vocabulary = Array.from({ length: 400 }, () =>
  Array.from({ length: 2 + pick(7) }, () => String.fromCharCode(97 + pick(26))).join(''),
);
const phrase = (words: number): string => Array.from({ length: words }, () => vocabulary[pick(400)]).join(' ');
const agents = (count: number): Candidate[] =>
  Array.from({ length: count }, (_, index) => ({
    id: `agent-${index}`,
    triggers: Array.from({ length: TRIGGERS }, () => phrase(1 + pick(4))),
  }));

/** Messages of 100 characters, all different: V8 remembers what a regular expression found in the same string. */
const messages = (accented: boolean): string[] =>
  Array.from({ length: MESSAGES }, () => `${accented ? 'où ' : ''}${phrase(30)}`.slice(0, 100));

function microseconds(work: (message: string) => unknown, said: readonly string[]): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const started = performance.now();
    for (const message of said) work(message);
    return ((performance.now() - started) * 1000) / said.length;
  });
  return rounds.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
}

for (const accented of [false, true]) {
  const said = messages(accented);
  const floor = microseconds(wordsOf, said);
  console.log(
    `${accented ? 'accented' : 'ASCII'} messages of 100 characters: ${floor.toFixed(2)} µs to cut into words`,
  );
  for (const count of [2, 20, 200]) {
    const time = microseconds(compileTriggers(agents(count)), said);
    const ratio = (time / floor).toFixed(1);
    console.log(`  ${count} agents × ${TRIGGERS} triggers: ${time.toFixed(2)} µs a message, ${ratio} times the floor`);
  }
}
