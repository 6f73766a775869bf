// Listing: the last entry of each session of some shards, or of all, by its headers alone.

import type { ConsumerInfo } from '@nats-io/jetstream';
import type { Row, Version } from '../../journal.ts';
import { hasVersion } from '../../nats/connect.ts';
import { Consumer } from '../../nats/consumer.ts';
import { answer, type JetStream } from '../../nats/jetstream.ts';
import { ConnectionLost } from '../../nats/replies.ts';
import { shardOf } from '../shards.ts';
import { rowOf, type Subjects } from './messages.ts';

export interface Scanned {
  readonly row: Row;
  readonly version: Version;
}

export interface ScanOptions {
  /** All shards when it is left out. */
  readonly shards?: readonly number[];
  readonly replicated: boolean;
}

/** In no order; a session that is written meanwhile may come twice. */
export async function scan(
  js: JetStream,
  stream: string,
  subjects: Subjects,
  { shards, replicated }: ScanOptions,
): Promise<Scanned[]> {
  if (shards?.length === 0) return [];
  const mark = replicated ? await leaveMark(js, stream, subjects.marks) : 0;
  const wanted = shards ? shards.map((shard) => subjects.all(shard)) : [subjects.all()];
  if (shards && replicated) wanted.push(subjects.marks);
  // Several filters need 2.10. Before that it is quicker to read all shards once than a few of them one by one.
  const filterable = wanted.length === 1 || hasVersion(js.connection, '2.10.0');
  const found = await js.patiently(() => attempt(js, stream, subjects, filterable ? wanted : [subjects.all()], mark));
  return filterable ? found : found.filter(({ row }) => shards!.includes(shardOf(row.key, subjects.shards)));
}

/**
 * A consumer may run on a replica that is behind. A message that was stored just now shows how far it must have come: behind it
 * lies everything that was acknowledged before the scan.
 */
async function leaveMark(js: JetStream, stream: string, subject: string): Promise<Version> {
  const { seq } = await js.patiently(async (timeout) => answer<{ seq: Version }>(await js.ask(subject, '', timeout)));
  js.ask(`$JS.API.STREAM.PURGE.${stream}`, JSON.stringify({ filter: subject, keep: 1 })).catch(() => {});
  return seq;
}

async function attempt(
  js: JetStream,
  stream: string,
  subjects: Subjects,
  filters: readonly string[],
  mark: Version,
): Promise<Scanned[]> {
  const found: Scanned[] = [];
  const { promise: end, resolve, reject } = Promise.withResolvers<void>();
  const filter = filters.length === 1 ? { filter_subject: filters[0] } : { filter_subjects: [...filters] };
  const config = { deliver_policy: 'last_per_subject', headers_only: true, ...filter } as const;
  let name = '';
  const { consumer, info } = await Consumer.start(js, stream, config, {
    onDelivery: ({ sequence: version, pending, message }) => {
      try {
        const key = subjects.key(message.subject);
        if (key) found.push({ row: rowOf(key, message.headers, version), version });
        if (pending === 0 && version >= mark) resolve();
      } catch (error) {
        reject(error);
      }
    },
    // Sessions that are removed during the scan are counted as pending and never come.
    onIdle: () => {
      js.call<ConsumerInfo>(`CONSUMER.INFO.${stream}.${name}`).then(
        ({ num_pending, delivered }) => num_pending === 0 && delivered.stream_seq >= mark && resolve(),
        reject,
      );
    },
    onBroken: () => reject(new ConnectionLost('the scan was interrupted')),
  });
  name = info.name;
  if (info.num_pending === 0 && mark === 0) resolve();
  try {
    await end;
    return found;
  } finally {
    consumer.close();
  }
}
