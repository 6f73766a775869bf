// The rows of all sessions, cached in memory while there are callers, and updated by following the journal.

import type { Subscription } from '@nats-io/transport-node';
import type { JetStream } from '../../nats/jetstream.ts';
import type { Key, Version } from '../journal.ts';
import { Rows } from '../rows.ts';
import type { Hearing } from './hearing.ts';
import type { Scanned } from './scan.ts';

/** The subject prefix of announced removals. */
export const removalsOf = (name: string): string => `${name}.removed`;

/**
 * Following brings every entry of every node to this one, a cost that only nodes with callers of `rows` should bear.
 * Without a call for this time, ms, the cache is dropped.
 */
const IDLE = 60_000;

/**
 * A removal leaves no message in the stream to follow, so it is announced on `<name>.removed.<tenant>.<session>`.
 * Announcements may be lost while the connection is down; after that the rows are scanned again.
 */
export class Listing {
  readonly #js: JetStream;
  readonly #announcements: string;
  readonly #hearing: Hearing;
  readonly #scan: () => Promise<Scanned[]>;
  #rows: Promise<Rows> | undefined;
  #end: () => void = () => {};
  #idle: NodeJS.Timeout | undefined;

  constructor(js: JetStream, name: string, hearing: Hearing, scan: () => Promise<Scanned[]>) {
    this.#js = js;
    this.#announcements = removalsOf(name);
    this.#hearing = hearing;
    this.#scan = scan;
  }

  /**
   * The first call scans the journal: a second or so for 100,000 sessions. So does the next call after a minute without
   * any.
   */
  rows(): Promise<Rows> {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), IDLE).unref();
    this.#rows ??= this.#build();
    return this.#rows;
  }

  /**
   * Removes a row here and, by an announcement, in every other process. `last` is the last version that was removed.
   */
  remove({ tenant, session }: Key, last: Version): void {
    this.#js.connection.publish(`${this.#announcements}.${tenant}.${session}`, String(last));
    this.#rows?.then((rows) => rows.remove({ tenant, session }, last)).catch(() => {});
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#rows = undefined;
    this.#end();
  }

  async #build(): Promise<Rows> {
    const rows = new Rows();
    const unfollow = this.#hearing.followRows((row, version) => rows.set(row, version));
    const announced = this.#hearRemovals(rows);
    const forgetReconnects = this.#js.onReconnect(() => this.close());
    this.#end = () => {
      unfollow();
      announced.unsubscribe();
      forgetReconnects();
    };
    try {
      await this.#hearing.live();
      for (const { row, version } of await this.#scan()) rows.set(row, version);
      return rows;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #hearRemovals(rows: Rows): Subscription {
    return this.#js.connection.subscribe(`${this.#announcements}.*.*`, {
      callback: (refused, message) => {
        const [tenant, session] = refused ? [] : message.subject.split('.').slice(-2);
        if (tenant && session) rows.remove({ tenant, session }, Number(message.string()));
      },
    });
  }
}
