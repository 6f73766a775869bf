// Plays a file of recorded conversations through the running service: every turn must reach the agent of its service, and
// every transcript must read back as the file has it, also after the service was killed and started again.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { progress } from '../src/cli/progress.ts';
import { Service } from '../src/cli/service.ts';
import { type Mismatch, play, type Routed, readBack } from './dialogues/play.ts';
import { readDialogues } from './dialogues/recorded.ts';
import { ServiceProcess } from './service.ts';

const program = new Command('replay:dialogues')
  .argument('<file>', 'one conversation per line: {id, turns: [{speaker, text, service?}]}')
  .option('--at-once <count>', 'conversations at a time', '64')
  .option('--json', 'for programs')
  .parse();
const file = resolve(program.args[0]!);
const { atOnce, json } = program.opts<{ atOnce: string; json?: true }>();

const dialogues = readDialogues(file);
const turns = dialogues.reduce((sum, { exchanges }) => sum + exchanges.length, 0);
const config = fileURLToPath(new URL('dialogues/troupe.ts', import.meta.url));
await using process_ = await ServiceProcess.start({ config, env: { DIALOGUES: file } });
const service = new Service({ url: process_.url });

const began = performance.now();
const played = await withBar('turns', turns, (add) => play(service, dialogues, Number(atOnce), add));
const seconds = (performance.now() - began) / 1_000;
const before = await transcripts('read back');
await process_.kill();
await process_.start();
const after = await transcripts('read back after kill -9');

const mismatches = [...played.mismatches, ...before, ...after];
tell();
if (mismatches.length > 0) process.exitCode = 1;

function transcripts(label: string): Promise<readonly Mismatch[]> {
  return withBar(label, dialogues.length, (add) => readBack(service, dialogues, Number(atOnce), add));
}

async function withBar<T>(label: string, total: number, work: (add: () => void) => Promise<T>): Promise<T> {
  const bar = progress(label, total);
  try {
    return await work(() => bar.add());
  } finally {
    bar.done();
  }
}

function tell(): void {
  const routed = countOf(played.routed);
  const result = {
    conversations: dialogues.length,
    turns,
    turns_per_second: Math.round(turns / seconds),
    routed,
    wrong_turns: played.mismatches.length,
    wrong_transcripts: { before_kill: before.length, after_kill: after.length },
  };
  if (json) {
    console.log(JSON.stringify({ ...result, mismatches: mismatches.slice(0, 10) }, null, 2));
    return;
  }
  console.log(
    `${result.conversations} conversations, ${turns} turns, ${result.turns_per_second} turns/s, ${atOnce} at once`,
  );
  for (const { by, confidence, turns } of routed)
    console.log(`  ${turns} turns routed by ${by}, confidence ${confidence.toFixed(2)}`);
  console.log(
    `mismatches: ${mismatches.length} (turns ${played.mismatches.length}, transcripts ${before.length}, after kill -9 ${after.length})`,
  );
  for (const one of mismatches.slice(0, 10)) console.log(JSON.stringify(one));
}

function countOf(routed: readonly Routed[]): (Routed & { turns: number })[] {
  const groups = Map.groupBy(routed, ({ by, confidence }) => `${by} ${confidence}`);
  return [...groups.values()].map((group) => ({ ...group[0]!, turns: group.length })).sort((a, b) => b.turns - a.turns);
}
