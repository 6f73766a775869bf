// The proof of failover: nodes under load are upgraded, killed and frozen at random; then every acknowledged message is checked.
import { setTimeout as pause } from 'node:timers/promises';
import { random } from '../testing/random.ts';
import { Caller } from './caller.ts';
import { freeze, kill, killServer, type ServerKill } from './chaos.ts';
import { type Blow, Ledger, type Said } from './ledger.ts';
import { Load } from './load.ts';
import { COPIES, NatsCluster } from './nats-cluster.ts';
import { NatsServer } from './nats-server.ts';
import { type Node, programIn, startNodes } from './nodes.ts';
import { Takeovers } from './takeovers.ts';
import { readBack, type Verdict } from './transcripts.ts';

export interface FailoverOptions {
  readonly nodes: number;
  readonly kills: number;
  /** Kills of servers of a cluster of three, every other one of the journal's leader. Default: one server and no kills. */
  readonly nats_kills?: number;
  readonly sessions: number;
  readonly callers: number;
  readonly seed: number;
  /** Directory of an older version: the nodes start from it and are upgraded one by one before the kills. */
  readonly from?: string;
}

export interface Distribution {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Proof extends Verdict {
  readonly options: FailoverOptions;
  readonly seconds: number;
  readonly blows: Readonly<Record<Blow, number>>;
  /** Messages acknowledged as journaled, and how many of those replies carried the answer. */
  readonly acknowledged: number;
  readonly answered: number;
  readonly sessions: number;
  readonly repeats: number;
  readonly takeovers: number;
  /** Words of the AI after a takeover was acknowledged or shown. */
  readonly spoken: number;
  /** Words that were on the way to a listener at another node when a takeover was acknowledged, and the latest of them, ms. */
  readonly in_flight: { readonly count: number; readonly max_ms: number };
  /** Appends by a node that had lost the session, refused by the journal. */
  readonly stale: number;
  readonly invocations: number;
  /** Calls with an idempotency key that an agent had already received. */
  readonly reinvocations: number;
  readonly servers: readonly ServerKill[];
  /** From the fault to the answer for callers that waited through it, ms. */
  readonly recovery: Readonly<Record<Blow | 'server', Distribution>>;
  /** The upgrade: nodes restarted, sessions written by old nodes, and those of them that new nodes continued. */
  readonly upgrade: { readonly restarts: number; readonly written: number; readonly woken: number } | null;
  /** Refused requests, such as with `machine_version`. */
  readonly refused: readonly string[];
  /** Messages that no node accepted. */
  readonly failed: readonly string[];
  /** Errors that the nodes logged. */
  readonly errors: readonly string[];
}

/** Whether every guarantee held. */
export const holds = (proof: Proof): boolean => {
  const { acknowledged, lost, duplicated, disordered, refused, failed, spoken, upgrade } = proof;
  const broken = [lost, duplicated, disordered, refused, failed, late(proof)].some(({ length }) => length > 0);
  const upgraded = !upgrade || (upgrade.written > 0 && upgrade.woken === upgrade.written);
  return acknowledged > 0 && !broken && spoken === 0 && upgraded;
};

/** Kills of servers after which no caller was served for longer than 10 s: an election takes up to 9. */
export const late = ({ servers }: Pick<Proof, 'servers'>): readonly ServerKill[] =>
  servers.filter(({ served_ms }) => served_ms === null || served_ms > 10_000);

/** Called on progress: nodes upgraded and faults injected, then transcripts read. */
export interface Watcher {
  struck(): void;
  reading(sessions: number): void;
  read(): void;
}

/** Every n-th fault is a freeze. */
const FREEZE_EVERY = 4;
/** Transcripts read concurrently. */
const READERS = 8;

/** Rejects with `Refused` if there is no nats-server, or a node does not start. */
export async function proveFailover(options: FailoverOptions, watcher: Watcher): Promise<Proof> {
  const began = Date.now();
  const { nats_kills = 0, from } = options;
  const program = from === undefined ? undefined : programIn(from);
  await using nats = await (nats_kills > 0 ? NatsCluster.start() : NatsServer.start());
  const ledger = new Ledger();
  const replicas = nats instanceof NatsCluster ? COPIES : 1;
  const nodes = await startNodes(nats.url, options.nodes, ledger.hear, { replicas, program });
  try {
    const urls = nodes.map(({ url }) => url);
    const caller = new Caller(urls, random(options.seed + 1));
    const load = new Load(caller, ledger, random(options.seed + 2), options);
    const takeovers = new Takeovers(caller, ledger, random(options.seed + 3), load);
    if (program) await upgrade(nodes, ledger, load, options, watcher);
    const { blows, servers } = await strike({ nodes, nats, ledger, takeovers }, options, watcher);
    await takeovers.stop();
    await load.stop();
    const verdict = await judgeAll(caller, ledger.said, watcher);
    const acknowledged = ledger.said.filter((said) => said.acknowledged !== undefined);
    return {
      ...verdict,
      options,
      seconds: (Date.now() - began) / 1_000,
      blows,
      servers,
      acknowledged: acknowledged.length,
      answered: acknowledged.filter(({ answered }) => answered).length,
      sessions: new Set(ledger.said.map(({ session }) => session)).size,
      repeats: caller.repeats,
      takeovers: takeovers.watched,
      spoken: takeovers.spoken,
      in_flight: takeovers.inFlight,
      stale: ledger.stale,
      invocations: ledger.invocations.size,
      reinvocations: ledger.reinvocations,
      recovery: {
        SIGKILL: distribution(ledger.recoveries.SIGKILL),
        SIGSTOP: distribution(ledger.recoveries.SIGSTOP),
        server: distribution(ledger.recoveries.server),
      },
      upgrade: program ? { restarts: nodes.length, written: ledger.written.size, woken: ledger.woken.size } : null,
      refused: caller.refused,
      failed: ledger.failed,
      errors: ledger.errors,
    };
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
  }
}

interface Stage {
  readonly nodes: readonly Node[];
  readonly nats: NatsServer | NatsCluster;
  readonly ledger: Ledger;
  readonly takeovers: Takeovers;
}

/** Upgrades one node after the other under load, then sends a message to every session that the old ones wrote. */
async function upgrade(
  nodes: readonly Node[],
  { written, woken }: Ledger,
  load: Load,
  { seed, callers }: FailoverOptions,
  watcher: Watcher,
): Promise<void> {
  const chance = random(seed + 4);
  for (const node of nodes) {
    await pause(1_000 + chance.below(2_000));
    await node.upgrade();
    watcher.struck();
  }
  const asleep = [...written].filter((session) => !woken.has(session));
  await forEach(asleep, callers, (session) => load.say(session));
}

async function strike(
  { nodes, nats, ledger, takeovers }: Stage,
  { seed, kills, nats_kills = 0 }: FailoverOptions,
  watcher: Watcher,
): Promise<{ blows: Record<Blow, number>; servers: ServerKill[] }> {
  const chance = random(seed);
  const blows = { SIGKILL: 0, SIGSTOP: 0 };
  const servers: ServerKill[] = [];
  for (let count = 0; count < kills || servers.length < nats_kills; ) {
    // A random pause: the cluster has recovered from the last fault in some rounds and not in others.
    await pause(500 + chance.below(2_500));
    const [left, leftOfNats] = [kills - count, nats_kills - servers.length];
    if (nats instanceof NatsCluster && leftOfNats > 0 && (left === 0 || chance.below(left + leftOfNats) < leftOfNats)) {
      servers.push(await killServer(nats, ledger, chance, servers.length % 2 === 0 ? 'leader' : 'other'));
    } else {
      count += 1;
      const struck = { node: chance.pick(nodes), random: chance, ledger, takeovers };
      const frozen = count % FREEZE_EVERY === 0;
      await (frozen ? freeze(struck) : kill(struck));
      blows[frozen ? 'SIGSTOP' : 'SIGKILL'] += 1;
    }
    watcher.struck();
  }
  await pause(2_000);
  return { blows, servers };
}

async function judgeAll(caller: Caller, said: readonly Said[], watcher: Watcher): Promise<Verdict> {
  const bySession = Object.entries(Object.groupBy(said, ({ session }) => session)) as [string, Said[]][];
  watcher.reading(bySession.length);
  const verdicts: Verdict[] = [];
  await forEach(bySession, READERS, async ([session, told]) => {
    verdicts.push(await readBack(caller, session, told));
    watcher.read();
  });
  return {
    lost: verdicts.flatMap(({ lost }) => lost),
    duplicated: verdicts.flatMap(({ duplicated }) => duplicated),
    disordered: verdicts.flatMap(({ disordered }) => disordered),
  };
}

async function forEach<T>(items: readonly T[], atOnce: number, go: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  const work = async () => {
    for (const item of left) await go(item);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

function distribution(times: readonly number[]): Distribution {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}
