// The parts of a cluster node on NATS: transport, journal, and the two buckets that the nodes share.
import { randomBytes } from 'node:crypto';
import { JetStreamApiError, jetstream } from '@nats-io/jetstream';
import { type KV, Kvm, type KvOptions } from '@nats-io/kv';
import { errors } from '@nats-io/transport-node';
import { FULL } from '../journal/jetstream/failures.ts';
import { jetstreamJournal } from '../journal/jetstream.ts';
import type { Journal } from '../journal/journal.ts';
import { connectNats, NatsError } from '../nats/connect.ts';
import { NODE_INBOX } from '../nats/inboxes.ts';
import { whileNobodyLeads } from '../nats/patience.ts';
import { natsTransport } from '../transport/nats.ts';
import type { Transport } from '../transport/transport.ts';
import type { ClusterOptions } from './cluster.ts';

export interface NatsNodeOptions {
  /** `nats://host:port`, several of a cluster separated by commas. */
  readonly url: string;
  /** Replicas of the journal and the buckets; default 1. More than one need nats-server 2.10.27 or newer. */
  readonly replicas?: number;
  /** Shards of a new cluster; default 64. An existing one has a fixed number. */
  readonly shards?: number;
  /** The node's name in logs and in the cluster, a token; random by default. */
  readonly id?: string;
}

export interface NatsNode {
  readonly journal: Journal;
  readonly transport: Transport;
  readonly cluster: Omit<ClusterOptions, 'transport' | 'clock' | 'log' | 'inspect'>;
  /** Closes the connection; close the runtime first. */
  close(): Promise<void>;
}

/** The first token of the journal's subjects. */
export const NAME = 'troupe';
export const NODES_BUCKET = 'troupe-nodes';
export const SHARDS_BUCKET = 'troupe-shards';

/** TTL of a node's presence in the bucket, ms: the presence of a killed node expires after it. */
const PRESENCE = 5_000;
/** Timeout of a request, ms: one that is lost with a connection is sent again after it. */
const ATTEMPT = 2_000;

/**
 * Connects and opens the journal and the buckets. Rejects with `NatsError` or `JournalError`, which name the failed
 * step and its remedy.
 *
 * @example
 * ```ts
 * import { createTroupe } from 'troupe';
 * import { createServer } from 'troupe/http';
 * import { natsNode } from 'troupe/nats';
 *
 * const node = await natsNode({ url: process.env.NATS_URL ?? 'nats://127.0.0.1:4222' });
 * const { journal, transport, cluster } = node;
 * const agents = [{ id: 'echo', triggers: ['hello'], run: (text: string) => `You said: ${text}` }];
 * const troupe = await createTroupe({ agents, journal, transport, cluster });
 * const app = await createServer(troupe);
 * await app.listen({ port: 0 });
 * console.log((await troupe.session('s1').send('hello')).answer); // You said: hello
 * await app.close();
 * await troupe.close();
 * await node.close();
 * ```
 */
export async function natsNode(options: NatsNodeOptions): Promise<NatsNode> {
  const { url, replicas = 1, shards, id = `node-${randomBytes(4).toString('hex')}` } = options;
  const connection = await connectNats({ servers: url, name: id, inboxPrefix: NODE_INBOX });
  try {
    const journal = await jetstreamJournal({ connection, name: NAME, replicas, shards });
    const kvm = new Kvm(jetstream(connection, { timeout: ATTEMPT }));
    const buckets = {
      nodes: await opened(kvm, NODES_BUCKET, { history: 1, ttl: PRESENCE, replicas }),
      shards: await opened(kvm, SHARDS_BUCKET, { history: 1, replicas }),
    };
    return {
      journal,
      transport: natsTransport(connection),
      cluster: { id, buckets, shards: journal.shards, scan: (shard) => journal.scan(shard) },
      close: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function opened(kvm: Kvm, bucket: string, options: Partial<KvOptions>): Promise<KV> {
  try {
    return await whileNobodyLeads(() => kvm.create(bucket, options));
  } catch (error) {
    const { code, advice } = reasonOf(error as Error);
    const message = `The bucket ${bucket} could not be opened: ${(error as Error).message.replace(/\.$/, '')}. ${advice}`;
    throw new NatsError(code, message, { cause: error });
  }
}

function reasonOf(error: Error): { code: string; advice: string } {
  if (error.cause instanceof errors.PermissionViolationError)
    return { code: 'nats_denied', advice: 'Permit this user what `npx troupe permissions node` prints.' };
  if (error instanceof JetStreamApiError && FULL.has(error.code))
    return { code: 'jetstream_full', advice: 'A node needs three streams; give its account or its server more room.' };
  return { code: 'jetstream_failed', advice: 'Look into the log of the NATS server.' };
}
