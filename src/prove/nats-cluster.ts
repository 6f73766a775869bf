// A JetStream cluster of three nats-servers for the proof: finds the journal's leader, and whether all replicas are current.
import type { StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectNats, OLDEST_REPLICATED } from '../nats/connect.ts';
import { answer } from '../nats/jetstream.ts';
import { type Binary, neededServer } from './nats-binaries.ts';
import { NatsServer } from './nats-server.ts';
import { freePort } from './ports.ts';
import { eventually } from './waiting.ts';

/** Servers of the cluster, each with a replica of every stream. */
export const COPIES = 3;
const JOURNAL = 'troupe-journal';
/** The streams that a node needs. */
const STREAMS = [JOURNAL, 'KV_troupe-nodes', 'KV_troupe-shards'];
/** A started server reads its store and catches up within this time, or the proof fails, ms. */
const TIMEOUT = 60_000;
/** A cluster forms within seconds; beyond this time a new attempt is better, ms. */
const FORMING = 20_000;
const TRIES = 3;

export class NatsCluster implements AsyncDisposable {
  readonly servers: readonly NatsServer[];
  readonly #connection: NatsConnection;

  private constructor(servers: readonly NatsServer[], connection: NatsConnection) {
    this.servers = servers;
    this.#connection = connection;
  }

  /** Rejects with `Refused` if there is no nats-server that is new enough, or they do not start. */
  static async start(): Promise<NatsCluster> {
    const binary = neededServer(OLDEST_REPLICATED, 'clusters that keep several copies of the journal');
    for (let tries = 1; ; tries += 1) {
      try {
        return await NatsCluster.#start(binary);
      } catch (error) {
        // Of servers that start together one may miss the leader election, especially on a busy machine.
        if (tries === TRIES) throw error;
      }
    }
  }

  static async #start(binary: Binary): Promise<NatsCluster> {
    const ports: number[] = [];
    while (ports.length < COPIES * 2) ports.push(await freePort());
    const routes = ports.slice(COPIES).map((port) => `nats://127.0.0.1:${port}`);
    const servers = routes.map((route, index) => {
      const others = routes.filter((other) => other !== route).join();
      const options = ['--cluster_name', 'troupe-proof', '--cluster', route, '--routes', others];
      return new NatsServer(binary, ports[index]!, `s${index + 1}`, options);
    });
    let cluster: NatsCluster | undefined;
    try {
      for (const server of servers) await server.start();
      const connection = await connectNats({ servers: servers.map(({ url }) => url), name: 'troupe-proof' });
      cluster = new NatsCluster(servers, connection);
      await cluster.#formed();
      return cluster;
    } catch (error) {
      if (cluster) await cluster[Symbol.asyncDispose]();
      else for (const server of servers) await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  get url(): string {
    return this.servers.map(({ url }) => url).join();
  }

  /** The server that leads the journal's stream. */
  async leader(): Promise<NatsServer> {
    const name = await eventually(TIMEOUT, 'the journal has no leader', async () => {
      return (await this.#info(JOURNAL)).cluster?.leader;
    });
    return this.servers.find((server) => server.name === name)!;
  }

  /** Resolves when every server has every message, so that any one of them may be lost. */
  async whole(): Promise<void> {
    const waits = (stream: string) => `the stream ${stream} does not get its ${COPIES} copies back`;
    for (const stream of STREAMS)
      await eventually(TIMEOUT, waits(stream), async () => {
        const { leader, replicas = [] } = (await this.#info(stream)).cluster ?? {};
        return leader && replicas.filter(({ current, offline }) => current && !offline).length === COPIES - 1;
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
    for (const server of this.servers) await server[Symbol.asyncDispose]();
  }

  /** A leader alone is not enough: creating a stream with three replicas shows that every server has joined. */
  async #formed(): Promise<void> {
    const name = 'troupe-proof';
    const call = async (verb: string, body?: object) =>
      answer(
        await this.#connection.request(`$JS.API.STREAM.${verb}.${name}`, body && JSON.stringify(body), {
          timeout: 2_000,
        }),
      );
    await eventually(FORMING, 'the NATS servers form no cluster', async () => {
      await call('CREATE', { name, subjects: [name], num_replicas: COPIES, storage: 'memory' });
      return true;
    });
    await call('DELETE');
  }

  async #info(stream: string): Promise<StreamInfo> {
    return answer<StreamInfo>(await this.#connection.request(`$JS.API.STREAM.INFO.${stream}`, '', { timeout: 1_000 }));
  }
}
