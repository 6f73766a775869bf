// Lists the last entry of each session of some shards, or of all, from headers alone.

import { hasVersion } from '../../nats/connect.ts';
import { Consumer } from '../../nats/consumer.ts';
import { ApiError, answer, type JetStream, NOT_FOUND } from '../../nats/jetstream.ts';
import { ConnectionLost } from '../../nats/replies.ts';
import type { Row, Version } from '../journal.ts';
import { shardOf } from '../shards.ts';
import { rowOf, type Subjects } from './messages.ts';

export interface Scanned {
  readonly row: Row;
  readonly version: Version;
}

export interface ScanOptions {
  /** All shards when absent. */
  readonly shards?: readonly number[];
  readonly replicated: boolean;
}

/** Scans the rows, in no order; a session that is written during the scan may appear twice. */
export async function scan(
  js: JetStream,
  stream: string,
  subjects: Subjects,
  { shards, replicated }: ScanOptions,
): Promise<Scanned[]> {
  if (shards?.length === 0) return [];
  const wanted = shards ? shards.map((shard) => subjects.all(shard)) : [subjects.all()];
  if (shards && replicated) wanted.push(subjects.marks);
  // Several filters need 2.10. On older servers one scan of all shards is faster than one scan per shard.
  const filterable = wanted.length === 1 || hasVersion(js.connection, '2.10.0');
  const filters = filterable ? wanted : [subjects.all()];
  const end = () => (replicated ? leaveMark(js, stream, subjects.marks) : lastOf(js, stream, filters));
  // A replica that lags would still list a session that was just removed; writing a mark gives it time to catch up.
  if (replicated) await end();
  const found = await js.patiently(() => attempt(js, stream, subjects, filters, end));
  return filterable ? found : found.filter(({ row }) => shards!.includes(shardOf(row.key, subjects.shards)));
}

/**
 * Stores a mark and returns its sequence. The consumer may run on a replica that lags; a replica that has the mark has
 * everything acknowledged before it.
 */
async function leaveMark(js: JetStream, stream: string, subject: string): Promise<Version> {
  const { seq } = await js.patiently(async (timeout) => answer<{ seq: Version }>(await js.ask(subject, '', timeout)));
  js.ask(`$JS.API.STREAM.PURGE.${stream}`, JSON.stringify({ filter: subject, keep: 1 })).catch(() => {});
  return seq;
}

/** The last message on any of these subjects; 0 when there is none. */
async function lastOf(js: JetStream, stream: string, filters: readonly string[]): Promise<Version> {
  const last = (filter: string) =>
    js.call<{ message: { seq: Version } }>(`STREAM.MSG.GET.${stream}`, { last_by_subj: filter }).then(
      ({ message }) => message.seq,
      (error) => {
        if (error instanceof ApiError && error.code === NOT_FOUND) return 0;
        throw error;
      },
    );
  return Math.max(...(await Promise.all(filters.map(last))));
}

/**
 * Scans once. It reads the end of the stream (`end`) after the consumer exists, so everything to deliver lies before
 * that end or is newer. The server's own count of pending messages does not mark the end: nats-server 2.9.10 leaves it
 * one too high when a message is stored while the consumer is created, and it counts removed sessions that are never
 * delivered.
 */
async function attempt(
  js: JetStream,
  stream: string,
  subjects: Subjects,
  filters: readonly string[],
  end: () => Promise<Version>,
): Promise<Scanned[]> {
  const found: Scanned[] = [];
  const ended = Promise.withResolvers<void>();
  let last = Number.POSITIVE_INFINITY;
  let reached = 0;
  const reach = () => reached >= last && ended.resolve();
  const look = async () => {
    last = Math.min(last, await end());
    reach();
  };
  const filter = filters.length === 1 ? { filter_subject: filters[0] } : { filter_subjects: [...filters] };
  const config = { deliver_policy: 'last_per_subject', headers_only: true, ...filter } as const;
  const consumer = await Consumer.start(js, stream, config, {
    onDelivery: ({ sequence: version, message }) => {
      try {
        const key = subjects.key(message.subject);
        if (key) found.push({ row: rowOf(key, message.headers, version), version });
        reached = version;
        reach();
      } catch (error) {
        ended.reject(error);
      }
    },
    // The last message may have been removed since, and then it is never delivered.
    onIdle: () => void look().catch(ended.reject),
    onBroken: () => ended.reject(new ConnectionLost('the scan was interrupted')),
  });
  try {
    await Promise.all([look(), ended.promise]);
    return found;
  } finally {
    consumer.close();
  }
}
