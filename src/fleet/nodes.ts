// The fleet as any node reports it: its own counts summed with those of the other nodes, requested over the transport.

import type { Orchestrator } from '../../actors/orchestrator.ts';
import { stateName } from '../../machines/state-name.ts';
import type { AgentView } from '../agents/agent.ts';
import type { AgentPool } from '../agents/pool.ts';
import { answerOthers, askOthers } from '../cluster/ask.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Log } from '../platform/log.ts';
import type { Subscription, Transport } from '../transport/transport.ts';
import type { DwellView } from './dwell.ts';
import { sumOfDwells, sumOfWays, type Way } from './figures.ts';
import type { Fleet, FleetCounts, StuckSession } from './fleet.ts';
import { Frame, type FrameView } from './frame.ts';

/** One node of the fleet. */
export interface NodeView {
  readonly node: string;
  /** False if it did not answer in time: its counts are missing from the sums. */
  readonly answered: boolean;
  /** The states of its chart, e.g. `serving.normal`. */
  readonly state: string | null;
  /** Its sessions in memory, and all its sessions. */
  readonly resident: number;
  readonly sessions: number;
  /** Count of shards that it owns. */
  readonly shards: number;
  readonly counts: Readonly<Record<string, number>>;
}

export interface FleetView {
  /** ms since the epoch. */
  readonly at: number;
  readonly sessions: number;
  readonly states: Readonly<Record<string, number>>;
  readonly dwell: Readonly<Record<string, DwellView>>;
  readonly transitions: readonly Way[];
  readonly stuck: { readonly total: number; readonly sessions: readonly StuckSession[] };
  readonly agents: readonly (AgentView & { readonly node: string })[];
  readonly nodes: readonly NodeView[];
  readonly shards: readonly { readonly shard: number; readonly node: string | null; readonly state: string }[];
}

/** A node's reply to the others. */
interface Report extends FleetCounts {
  readonly node: NodeView;
  readonly agents: readonly AgentView[];
  /** The state of each shard on this node, in order; empty without a cluster. */
  readonly shards: readonly string[];
}

export interface FleetSide {
  readonly fleet: Fleet;
  readonly orchestrator: Orchestrator;
  readonly pool: AgentPool;
  readonly transport: Transport;
  readonly cluster?: Cluster;
  readonly log: Log;
}

/** Name of the only node without a cluster. */
const LOCAL = 'local';
/** Name of the question to the other nodes. */
const QUESTION = 'fleet';
/** Time after a request during which a node publishes its transitions, ms. */
const WATCHED = 30_000;
/** Interval between two frames to the other nodes, ms. */
const FRAME = 50;

const movesSubject = (node: string): string => `troupe.node.${node}.moves`;
const decode = <T>(data: Uint8Array): T => JSON.parse(new TextDecoder().decode(data));

/** A frame of one tenant, as nodes publish it. */
type TenantFrame = FrameView & { readonly tenant: string };

export class FleetNodes {
  readonly #side: FleetSide;
  #subscription: Subscription | undefined;
  readonly #relays = new Map<string, Relay>();

  constructor(side: FleetSide) {
    this.#side = side;
  }

  /** This node's own counts. */
  get own(): Fleet {
    return this.#side.fleet;
  }

  /** Subscribes to the questions of the other nodes; does nothing without a cluster. */
  serve(): void {
    const { cluster, transport, log } = this.#side;
    if (!cluster) return;
    this.#subscription = answerOthers(
      cluster,
      transport,
      QUESTION,
      ({ tenant, watch }: { tenant: string; watch: boolean }) => {
        if (watch) this.#relay(tenant);
        return this.#report(tenant);
      },
      (error) => log.warn({ err: error }, 'the fleet could not be told to another node'),
    );
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    for (const relay of this.#relays.values()) relay.end();
  }

  /** The whole fleet of a tenant, or of all (`*`). */
  async view(tenant: string): Promise<FleetView> {
    const { orchestrator } = this.#side;
    const [own, others] = await Promise.all([this.#report(tenant), this.#others(tenant, false)]);
    const reports = [own, ...others];
    const states = sumOfCounts(reports.map((report) => report.states));
    const stuck = reports.flatMap((report) => report.stuck.sessions).sort((a, b) => a.since - b.since);
    return {
      at: orchestrator.clock.now(),
      sessions: Object.values(states).reduce((sum, count) => sum + count, 0),
      states,
      dwell: sumOfDwells(reports.map((report) => report.dwell)),
      transitions: sumOfWays(reports.map((report) => report.transitions)).sort((a, b) => b.count - a.count),
      stuck: { total: reports.reduce((sum, { stuck: { total } }) => sum + total, 0), sessions: stuck.slice(0, 100) },
      agents: reports.flatMap(({ agents, node: { node } }) => agents.map((agent) => ({ node, ...agent }))),
      nodes: reports.map(({ node }) => node),
      shards: this.#shards(reports),
    };
  }

  /**
   * Sessions per state; `counted` is called at the moment when this node's own counts are taken. For the next 30 s the other
   * nodes publish their transitions.
   */
  async census(tenant: string, counted: () => void): Promise<{ readonly states: Readonly<Record<string, number>> }> {
    const { fleet } = this.#side;
    const [, others] = await Promise.all([fleet.view(tenant), this.#others(tenant, true)]);
    counted();
    return { states: sumOfCounts([fleet.states(tenant), ...others.map((report) => report.states)]) };
  }

  /**
   * Adds every transition to a frame and calls `changed` after each; those of other nodes arrive only within 30 s of a `census`.
   * Returns a function that unsubscribes.
   */
  listen(tenant: string, into: Frame, changed: () => void): () => void {
    const { cluster, fleet, transport } = this.#side;
    const unsubscribe = fleet.onMove((of, move, step) => {
      if (of !== tenant) return;
      into.add(move, step);
      changed();
    });
    const others =
      cluster &&
      transport.subscribe(movesSubject('*'), ({ subject, data }) => {
        if (subject === movesSubject(cluster.id)) return;
        const told = decode<TenantFrame>(data);
        if (told.tenant !== tenant) return;
        into.merge(told);
        changed();
      });
    return () => {
      unsubscribe();
      others?.unsubscribe();
    };
  }

  async #report(tenant: string): Promise<Report> {
    const { cluster, fleet, orchestrator, pool } = this.#side;
    const counts = await fleet.view(tenant);
    const { value } = orchestrator.actor.getSnapshot();
    const shards = cluster?.view().shards.map(({ state }) => state) ?? [];
    const resident = orchestrator.sessions().filter(({ key }) => tenant === '*' || key.tenant === tenant).length;
    const node: NodeView = {
      node: cluster?.id ?? LOCAL,
      answered: true,
      state: stateName(value),
      resident,
      sessions: Object.values(counts.states).reduce((sum, count) => sum + count, 0),
      shards: shards.filter((state) => state === 'owned').length,
      counts: { ...orchestrator.counts },
    };
    return { ...counts, node, agents: pool.list(tenant), shards };
  }

  async #others(tenant: string, watch: boolean): Promise<Report[]> {
    const { cluster, transport } = this.#side;
    const asked = await askOthers<Report>(cluster, transport, QUESTION, { tenant, watch });
    return asked.map(({ node, answer }) => answer ?? silent(node));
  }

  #shards(reports: readonly Report[]): FleetView['shards'] {
    const { cluster } = this.#side;
    if (!cluster) return [];
    return cluster.view().shards.map(({ shard, owner, state }) => ({
      shard,
      node: owner,
      // The owner's state of a shard: to every other node it is only remote.
      state: reports.find(({ node }) => node.node === owner)?.shards[shard] ?? state,
    }));
  }

  #relay(tenant: string): void {
    const { cluster, fleet, transport } = this.#side;
    const publish = (frame: FrameView): void =>
      transport.publish(movesSubject(cluster!.id), JSON.stringify({ tenant, ...frame } satisfies TenantFrame));
    const relay = this.#relays.get(tenant) ?? new Relay(fleet, tenant, publish, () => this.#relays.delete(tenant));
    this.#relays.set(tenant, relay);
    relay.extend();
  }
}

function sumOfCounts(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const one of counts) for (const [state, count] of Object.entries(one)) sum[state] = (sum[state] ?? 0) + count;
  return sum;
}

const silent = (node: string): Report => ({
  node: { node, answered: false, state: null, resident: 0, sessions: 0, shards: 0, counts: {} },
  states: {},
  dwell: {},
  transitions: [],
  stuck: { total: 0, sessions: [] },
  agents: [],
  shards: [],
});

/** Publishes this node's transitions of a tenant to the other nodes, for as long as one of them asks. */
class Relay {
  readonly #unsubscribe: () => void;
  readonly #ended: () => void;
  #timer: NodeJS.Timeout | undefined;
  #over: NodeJS.Timeout | undefined;

  constructor(fleet: Fleet, tenant: string, publish: (frame: FrameView) => void, ended: () => void) {
    const frame = new Frame();
    this.#ended = ended;
    this.#unsubscribe = fleet.onMove((of, move, step) => {
      if (of !== tenant) return;
      frame.add(move, step);
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        publish(frame.take());
      }, FRAME).unref();
    });
  }

  extend(): void {
    clearTimeout(this.#over);
    this.#over = setTimeout(() => this.end(), WATCHED).unref();
  }

  end(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#over);
    this.#unsubscribe();
    this.#ended();
  }
}
