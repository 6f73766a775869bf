// Reads entries by their sequence in the stream, without a consumer.

import type { Msg } from '@nats-io/transport-node';
import { ApiError, answer, type JetStream, NOT_FOUND } from '../../nats/jetstream.ts';
import type { Key, Stored, Version } from '../journal.ts';
import { keyName } from '../journal.ts';
import { journalFailure } from './failures.ts';
import { type Found, fromDirectGet, fromLeader, numberOf, type Subjects, stored, versionBefore } from './messages.ts';

/** Number of sessions whose entry sequences are cached between reads: for pages of a long session. */
const MOST_CACHED = 256;
/** Concurrent gets: this many saturate a server; more only fill its memory. */
const AT_ONCE = 128;

type Query = { last_by_subj: string } | { seq: number; next_by_subj?: string };

/** Cached versions of a session's entries: entry `n` is at `n - 1`. */
type Places = Version[];

export class Reader {
  readonly #js: JetStream;
  readonly #stream: string;
  readonly #subjects: Subjects;
  readonly #replicated: boolean;
  readonly #places = new Map<string, Places>();

  constructor(js: JetStream, stream: string, subjects: Subjects, replicas: number) {
    this.#js = js;
    this.#stream = stream;
    this.#subjects = subjects;
    this.#replicated = replicas > 1;
  }

  /** The newest message of a session. One request. */
  async newest(key: Key): Promise<Found | undefined> {
    const query = { last_by_subj: this.#subjects.of(key) };
    // Any replica, even one that lags, may reply to a direct get; the leader has every acknowledged message.
    return this.#reading(key, (timeout) =>
      this.#replicated ? this.#fromLeader(query, timeout) : this.#direct(query, timeout),
    );
  }

  async last(key: Key): Promise<Stored | undefined> {
    const newest = await this.newest(key);
    return newest && stored(key, newest);
  }

  /** The message that follows `after` in a session. */
  async following(key: Key, after: Version): Promise<Found | undefined> {
    return this.#get(key, { seq: after + 1, next_by_subj: this.#subjects.of(key) });
  }

  /**
   * Entries `from` to `to`, as far as they exist. One request for each, and one for each uncached entry between the
   * range and the nearer end.
   */
  async range(key: Key, from: number, to: number): Promise<Stored[]> {
    return this.#read(key, (last) => ({ from, to: Math.min(to, last) }));
  }

  /** The last `count` entries. One request for each. */
  async tail(key: Key, count: number): Promise<Stored[]> {
    return this.#read(key, (last) => ({ from: Math.max(1, last - count + 1), to: count > 0 ? last : 0 }));
  }

  async #read(key: Key, choose: (last: number) => { from: number; to: number }, again = false): Promise<Stored[]> {
    const newest = await this.newest(key);
    if (!newest) return [];
    const last = numberOf(key, newest);
    const { from, to } = choose(last);
    if (from > to) return [];
    const got = new Map<number, Found>([[last, newest]]);
    const places = await this.#locate(key, newest, from, to, got);
    const entries: Stored[] = [];
    for (let start = from; start <= to; start += AT_ONCE) {
      const numbers = Array.from({ length: Math.min(AT_ONCE, to - start + 1) }, (_, i) => start + i);
      const found = await Promise.all(numbers.map((n) => got.get(n) ?? this.#at(key, places[n - 1])));
      for (const message of found) if (message) entries.push(stored(key, message));
    }
    if (entries.length === to - from + 1) return entries;
    // The session was removed since its sequences were cached, or just now.
    this.#places.delete(keyName(key));
    return again ? [] : this.#read(key, choose, true);
  }

  /**
   * Finds the sequences of entries `from` to `to`, walking from the nearest cached sequence: backwards along the
   * versions that the entries follow, or forwards through the subject. Messages read on the way are added to `got`.
   */
  async #locate(key: Key, newest: Found, from: number, to: number, got: Map<number, Found>): Promise<Places> {
    const last = numberOf(key, newest);
    const places = this.#cachedPlaces(key, newest.version, last);
    let low = from - 1;
    while (low > 0 && places[low - 1] === undefined) low--;
    let high = to;
    while (places[high - 1] === undefined) high++;

    if (to - low < high - from) {
      for (let n = low + 1; n <= to; n++) {
        if (places[n - 1] !== undefined) continue;
        const found = await this.following(key, places[n - 2] ?? 0);
        if (!found) break;
        places[n - 1] = found.version;
        if (n >= from) got.set(n, found);
      }
    } else {
      for (let n = high; n > from; n--) {
        if (places[n - 2] !== undefined) continue;
        const found = got.get(n) ?? (await this.#at(key, places[n - 1]));
        if (!found) break;
        got.set(n, found);
        places[n - 2] = versionBefore(found);
      }
    }
    return places;
  }

  /** The cached sequences of a session, with that of its newest entry added. */
  #cachedPlaces(key: Key, version: Version, last: number): Places {
    const name = keyName(key);
    let places = this.#places.get(name) ?? [];
    this.#places.delete(name);
    if (places.length > last || (places.length === last && places[last - 1] !== version)) places = [];
    places[last - 1] = version;
    this.#places.set(name, places);
    if (this.#places.size > MOST_CACHED) this.#places.delete(this.#places.keys().next().value!);
    return places;
  }

  async #at(key: Key, version: Version | undefined): Promise<Found | undefined> {
    return version === undefined ? undefined : this.#get(key, { seq: version });
  }

  #get(key: Key, query: Query): Promise<Found | undefined> {
    return this.#reading(key, async (timeout) => {
      const found = await this.#direct(query, timeout);
      // A replica that lags has a prefix of the stream: a message that it finds is valid, one that it lacks may exist
      // on the leader.
      return found || !this.#replicated ? found : this.#fromLeader(query, timeout);
    });
  }

  async #direct(query: Query, timeout: number): Promise<Found | undefined> {
    const subject = `$JS.API.DIRECT.GET.${this.#stream}`;
    const message = await ('last_by_subj' in query
      ? this.#js.ask(`${subject}.${query.last_by_subj}`, '', timeout)
      : this.#js.ask(subject, JSON.stringify(query), timeout));
    return fromAnswer(message);
  }

  async #fromLeader(query: Query, timeout: number): Promise<Found | undefined> {
    const subject = `$JS.API.STREAM.MSG.GET.${this.#stream}`;
    try {
      const message = await this.#js.ask(subject, JSON.stringify(query), timeout);
      return fromLeader(answer<{ message: Parameters<typeof fromLeader>[0] }>(message).message);
    } catch (error) {
      if (error instanceof ApiError && error.code === NOT_FOUND) return undefined;
      throw error;
    }
  }

  async #reading<T>(key: Key, attempt: (timeout: number) => Promise<T>): Promise<T> {
    try {
      return await this.#js.patiently(attempt);
    } catch (error) {
      throw journalFailure(error, `read ${keyName(key)}`);
    }
  }
}

function fromAnswer(message: Msg): Found | undefined {
  const headers = message.headers!;
  if (headers.code === 0) return fromDirectGet(headers, message.data);
  if (headers.code === 404) return undefined;
  throw new ApiError({ code: headers.code, description: headers.description });
}
