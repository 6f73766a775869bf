// Listing: the last entry of each session of a shard, or of all, by its headers alone.

import type { ConsumerInfo } from '@nats-io/jetstream';
import type { Row, Version } from '../../journal.ts';
import { Consumer } from '../../nats/consumer.ts';
import { answer, type JetStream } from '../../nats/jetstream.ts';
import { ConnectionLost } from '../../nats/replies.ts';
import { rowOf, type Subjects } from './messages.ts';

export interface Scanned {
  readonly row: Row;
  readonly version: Version;
}

export interface ScanOptions {
  /** All shards when it is left out. */
  readonly shard?: number;
  readonly replicated: boolean;
}

/** In no order; a session that is written meanwhile may come twice. */
export async function scan(
  js: JetStream,
  stream: string,
  subjects: Subjects,
  { shard, replicated }: ScanOptions,
): Promise<Scanned[]> {
  const mark = replicated ? await leaveMark(js, stream, subjects.mark(shard)) : 0;
  return js.patiently(() => attempt(js, stream, subjects, subjects.all(shard), mark));
}

/**
 * A consumer may run on a replica that is behind. A message that was stored just now shows how far it must have come: behind it
 * lies everything that was acknowledged before the scan.
 */
async function leaveMark(js: JetStream, stream: string, subject: string): Promise<Version> {
  const { seq } = await js.patiently(async () => answer<{ seq: Version }>(await js.ask(subject)));
  js.ask(`$JS.API.STREAM.PURGE.${stream}`, JSON.stringify({ filter: subject, keep: 1 })).catch(() => {});
  return seq;
}

async function attempt(
  js: JetStream,
  stream: string,
  subjects: Subjects,
  filter: string,
  mark: Version,
): Promise<Scanned[]> {
  const found: Scanned[] = [];
  const { promise: end, resolve, reject } = Promise.withResolvers<void>();
  const config = { deliver_policy: 'last_per_subject', filter_subject: filter, headers_only: true } as const;
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
