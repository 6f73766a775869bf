// The encoding of an entry as a message of the stream: its subject, its headers, its body.

import { type MsgHdrs, MsgHdrsImpl } from '@nats-io/transport-node';
import { type Encoded, encodeHeaders } from '../../nats/headers.ts';
import { JournalError } from '../../platform/errors.ts';
import { type Entry, type Key, keyName, type Row, type Stored, type Version } from '../journal.ts';
import { shardOf } from '../shards.ts';

/** The row of the session after this entry, as JSON, so that a listing needs no bodies. */
const ROW = 'Troupe-Row';
/**
 * The version that an entry follows. The server stores it with the entry, which makes the entries of a session a list
 * linked backwards.
 */
const AFTER = 'Nats-Expected-Last-Subject-Sequence';
const ID = 'Nats-Msg-Id';

/** The subjects of a journal: `<name>.journal.<shard>.<tenant>.<session>`. */
export class Subjects {
  readonly root: string;
  readonly shards: number;

  constructor(name: string, shards: number) {
    this.root = `${name}.journal`;
    this.shards = shards;
  }

  of(key: Key): string {
    return `${this.root}.${shardOf(key, this.shards)}.${key.tenant}.${key.session}`;
  }

  /** The key of a subject; undefined for the marks that scans leave in the stream. */
  key(subject: string): Key | undefined {
    const [, tenant, session] = subject.slice(this.root.length + 1).split('.');
    return tenant && session ? { tenant, session } : undefined;
  }

  /** The pattern of every session of one shard, or of all shards. */
  all(shard?: number): string {
    return shard === undefined ? `${this.root}.>` : `${this.root}.${shard}.>`;
  }

  /** The subject of the marks of scans, which no session uses. */
  get marks(): string {
    return `${this.root}.mark`;
  }
}

/** A message of the stream. */
export interface Found {
  readonly subject: string;
  readonly version: Version;
  readonly headers: MsgHdrs;
  readonly body: Uint8Array;
}

/** A prepared append. */
export interface Draft {
  readonly key: Key;
  readonly subject: string;
  readonly after: Version;
  readonly entry: Entry;
  /** Identifies this append, not its entry: two writers of the same entry must stay distinguishable. */
  readonly id: string;
  readonly headers: Encoded;
  readonly body: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes an append. Throws `TypeError` when the entry is not JSON. */
export function draft(subject: string, key: Key, after: Version, entry: Entry, id: string): Draft {
  const { n, at, state, wake } = entry;
  const headers = encodeHeaders({ [AFTER]: String(after), [ID]: id, [ROW]: JSON.stringify({ n, at, state, wake }) });
  return { key, subject, after, entry, id, headers, body: encoder.encode(JSON.stringify(entry)) };
}

export function idOf({ headers }: Found): string {
  return headers.get(ID);
}

/** The version before this one in its session; 0 for the first. */
export function versionBefore({ headers }: Found): Version {
  return Number(headers.get(AFTER));
}

export function stored(key: Key, found: Found): Stored {
  try {
    return { version: found.version, entry: JSON.parse(decoder.decode(found.body)) as Entry };
  } catch (cause) {
    throw unreadable(key, found.version, cause);
  }
}

export function rowOf(key: Key, headers: MsgHdrs | undefined, version: Version): Row {
  try {
    return { key, ...(JSON.parse(headers!.get(ROW)) as Omit<Row, 'key'>) };
  } catch (cause) {
    throw unreadable(key, version, cause);
  }
}

/** The number of a message's entry, without parsing the body. */
export function numberOf(key: Key, { headers, version }: Found): number {
  return rowOf(key, headers, version).n;
}

/** Decodes the response of a direct get: the message itself, with more headers. */
export function fromDirectGet(headers: MsgHdrs, body: Uint8Array): Found {
  return { subject: headers.get('Nats-Subject'), version: Number(headers.get('Nats-Sequence')), headers, body };
}

/** Decodes the response of a get from the stream's leader: JSON, with headers and body in base64. */
export function fromLeader(message: { subject: string; seq: number; hdrs?: string; data?: string }): Found {
  const headers = MsgHdrsImpl.decode(Buffer.from(message.hdrs ?? '', 'base64'));
  return { subject: message.subject, version: message.seq, headers, body: Buffer.from(message.data ?? '', 'base64') };
}

function unreadable(key: Key, version: Version, cause: unknown): JournalError {
  const message = `The message ${version} of the journal's stream is no entry of ${keyName(key)}. Remove it, or the session.`;
  return new JournalError('journal_corrupt', message, { cause });
}
