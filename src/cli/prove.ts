// `troupe prove`: tests claims about a cluster on this machine. Exits with 1 if one does not hold.
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { ServerKill } from '../prove/chaos.ts';
import type { Distribution, Proof } from '../prove/failover.ts';
import { type Progress, progress } from './progress.ts';
import { Complaint } from './service.ts';

interface FailoverFlags {
  readonly nodes: string;
  readonly kills: string;
  readonly natsKills?: string | true;
  readonly sessions: string;
  readonly callers: string;
  readonly seed?: string;
  readonly from?: string;
  readonly json?: true;
}

const failover = new Command('failover')
  .description(
    'kill and freeze nodes under load: nothing acknowledged is lost or doubled, nobody speaks after a takeover',
  )
  .option('--nodes <count>', 'nodes of the cluster', '3')
  .option('--kills <count>', 'how often a node is struck; every fourth time it is frozen instead of killed', '10')
  .option(
    '--nats-kills [count]',
    'also kill servers of a NATS cluster of three, so often; every other time the one that leads the journal (4 unless told)',
  )
  .option('--sessions <count>', 'conversations', '2000')
  .option('--callers <count>', 'how many talk at once', '16')
  .option('--seed <number>', 'repeats the same blows; drawn unless told')
  .option(
    '--from <directory>',
    'a rolling upgrade first: the nodes run the older troupe in this directory (a checkout, or node_modules/troupe), and each is told to stop and started again from this one; nothing is refused or lost',
  )
  .option('--json', 'for programs')
  .action(async ({ json, seed, from, ...flags }: FailoverFlags) => {
    const options = {
      nodes: count('nodes', flags.nodes, 2),
      kills: count('kills', flags.kills, 0),
      nats_kills:
        flags.natsKills === undefined ? 0 : count('nats-kills', flags.natsKills === true ? '4' : flags.natsKills, 0),
      sessions: count('sessions', flags.sessions, 1),
      callers: count('callers', flags.callers, 1),
      seed: seed === undefined ? Math.floor(Math.random() * 2 ** 31) : count('seed', seed, 0),
      from,
    };
    const { holds, late, proveFailover } = await import('../prove/failover.ts');
    console.error(`seed ${options.seed}`);
    // On a signal this process exits, and its exit ends the servers it started.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
    const blows = options.kills + options.nats_kills;
    let bar: Progress =
      from === undefined ? progress('kills', blows) : progress('upgrades and kills', options.nodes + blows);
    const proof = await proveFailover(options, {
      struck: () => bar.add(),
      reading: (sessions) => {
        bar.done();
        bar = progress('transcripts', sessions);
      },
      read: () => bar.add(),
    });
    bar.done();
    console.log(json ? JSON.stringify(proof, null, 2) : reportOf(proof, late(proof)));
    if (!holds(proof)) process.exitCode = 1;
  });

export const prove = new Command('prove').description('put a claim to the test on this machine').addCommand(failover);

function count(name: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Complaint('bad_option', `--${name} takes a whole number from ${least} on, not "${text}"`);
}

function reportOf(proof: Proof, late: readonly ServerKill[]): string {
  const { options, blows, servers, recovery, upgrade } = proof;
  const never = (label: string, what: readonly string[]): string =>
    [verdict(label, what.length), ...what.slice(0, 10).map((one) => `      ${one}`)].join('\n');
  return [
    `${options.nodes} nodes, ${blows.SIGKILL} × kill -9, ${blows.SIGSTOP} × frozen, ${servers.length} × a NATS server, ${proof.seconds.toFixed(0)} s, seed ${options.seed}`,
    line(
      'messages acknowledged',
      `${proof.acknowledged} in ${proof.sessions} sessions (${proof.answered} with their answer)`,
    ),
    line('requests repeated', proof.repeats),
    never('lost', proof.lost),
    never('duplicated', proof.duplicated),
    never('out of order', proof.disordered),
    never('refused', proof.refused),
    never('unanswered', proof.failed),
    ...(upgrade
      ? [
          line('restarts', `${upgrade.restarts} nodes of ${options.from} told to stop, and started from this version`),
          verdict(
            'not woken',
            upgrade.written - upgrade.woken,
            `of ${upgrade.written} sessions that the old nodes wrote`,
          ),
        ]
      : []),
    verdict('spoken after a takeover', proof.spoken, `of ${proof.takeovers} takeovers`),
    line(
      'on their way then',
      `${proof.in_flight.count} pieces of answers, heard up to ${proof.in_flight.max_ms} ms late`,
    ),
    line('stale writes refused', proof.stale),
    line('agent calls', `${proof.invocations}, ${proof.reinvocations} of them again with the same key`),
    line('recovery after kill -9', times(recovery.SIGKILL)),
    line('recovery when frozen', times(recovery.SIGSTOP)),
    ...(servers.length === 0 ? [] : toldOfServers(servers, recovery.server, late)),
    ...proof.errors.slice(0, 10).map((error) => `  ${styleText('yellow', '!')} ${error}`),
  ].join('\n');
}

function toldOfServers(servers: readonly ServerKill[], recovery: Distribution, late: readonly ServerKill[]): string[] {
  const again = ({ served_ms }: ServerKill) => (served_ms === null ? 'nobody for a minute' : `after ${served_ms} ms`);
  return [
    line('… a NATS server killed', times(recovery)),
    verdict('served later than 10 s', late.length, `of ${servers.length} deaths of a NATS server; served again:`),
    ...servers.map(
      (kill) => `      ${again(kill)} without ${kill.server}${kill.leader ? ', which led the journal' : ''}`,
    ),
  ];
}

const line = (label: string, value: string | number): string => `  ${label.padEnd(24)} ${value}`;

const verdict = (label: string, failures: number, of = ''): string =>
  `${failures === 0 ? styleText('green', '✓') : styleText('red', '✗')} ${label.padEnd(24)} ${failures} ${of}`.trimEnd();

const times = ({ count, p50, p99, max }: Distribution): string =>
  count === 0 ? '–' : `p50 ${p50} ms, p99 ${p99} ms, max ${max} ms (${count} who waited)`;
