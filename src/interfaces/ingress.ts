// Pushes every event of every session to an HTTP ingress (D6): in order per session, at least once, without delaying runs.
import { setTimeout as pause } from 'node:timers/promises';
import { eventsOf, type RunEvent } from '../../actors/transcript.ts';
import { isSession, type Key, keyName } from '../journal/journal.ts';
import type { Log } from '../platform/log.ts';
import type { Troupe } from '../troupe.ts';

export interface IngressOptions {
  /** The runtime whose sessions are pushed. In a cluster each node pushes the entries that it appends. */
  readonly troupe: Pick<Troupe, 'journal' | 'orchestrator'>;
  /** Events are sent to `POST {url}/internal/send`. */
  readonly url: string;
  readonly log: Log;
  /** Sessions that are delivered concurrently. Default 16. */
  readonly concurrency?: number;
  /** Timeout of one push, ms. Default 10,000. */
  readonly timeout_ms?: number;
  /** First back-off after a failure, ms; it doubles up to 30 s. Default 200. */
  readonly backoff_ms?: number;
}

export interface Ingress {
  /** Counts since the start. `refused`: the ingress replied 4xx, so a retry would not help. */
  readonly counts: { readonly sent: number; readonly retried: number; readonly refused: number };
  /** Sessions with undelivered events. */
  readonly behind: number;
  /** Stops pushing; undelivered events stay in the journal. */
  close(): void;
}

const LONGEST_WAIT = 30_000;

/**
 * Starts pushing entries from now on. The queue holds only positions, because the events are in the journal: an ingress that
 * is down for long costs neither memory nor events. Delivery is at least once, with `tenant/session#id` as the
 * `Idempotency-Key`. The next process does not push what was undelivered when this one ended: the receiver finds the gap in
 * the ids and can read the events at `GET /v1/sessions/{id}/events?after=`.
 */
export function startIngress({ troupe, log, ...options }: IngressOptions): Ingress {
  const { concurrency = 16, timeout_ms = 10_000, backoff_ms = 200 } = options;
  const target = `${options.url.replace(/\/+$/, '')}/internal/send`;
  const counts = { sent: 0, retried: 0, refused: 0 };
  const stop = new AbortController();
  /** Per session the first undelivered entry and the last one. The map's order is the order of delivery. */
  const behind = new Map<string, { readonly key: Key; next: number; last: number }>();
  const working = new Set<string>();

  const unfollow = troupe.orchestrator.hearAll((key, entry) => {
    const name = keyName(key);
    const known = behind.get(name);
    if (known) known.last = entry.n;
    else if (isSession(key)) {
      behind.set(name, { key, next: entry.n, last: entry.n });
      work();
    }
  });

  function work(): void {
    for (const name of behind.keys()) {
      if (working.size >= concurrency) return;
      if (!working.has(name)) void deliver(name);
    }
  }

  /** Delivers a session until it has caught up; at most one delivery runs per session. */
  async function deliver(name: string): Promise<void> {
    working.add(name);
    const session = behind.get(name)!;
    try {
      for (; session.next <= session.last && !stop.signal.aborted; session.next += 1) {
        const [stored] = await troupe.journal.read(session.key, session.next, 1);
        for (const event of stored ? eventsOf(stored.entry) : []) await push(session.key, event);
      }
    } catch (error) {
      if (!stop.signal.aborted) log.error({ err: error, session: name }, 'ingress: this session is given up for now');
    } finally {
      behind.delete(name);
      working.delete(name);
      if (!stop.signal.aborted) work();
    }
  }

  async function push({ tenant, session }: Key, event: RunEvent): Promise<void> {
    const headers = { 'content-type': 'application/json', 'idempotency-key': `${tenant}/${session}#${event.id}` };
    const body = JSON.stringify({ tenant, session_id: session, ...event });
    for (let wait = backoff_ms; ; wait = Math.min(LONGEST_WAIT, 2 * wait)) {
      const said = await post(headers, body);
      stop.signal.throwIfAborted();
      if (said === 'taken') counts.sent += 1;
      if (said === 'refused') counts.refused += 1;
      if (said !== 'later') return;
      counts.retried += 1;
      await pause(wait, undefined, { signal: stop.signal, ref: false });
    }
  }

  async function post(headers: Record<string, string>, body: string): Promise<'taken' | 'refused' | 'later'> {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(timeout_ms)]);
    try {
      const response = await fetch(target, { method: 'POST', headers, body, signal });
      await response.body?.cancel();
      if (response.ok) return 'taken';
      if (response.status >= 500 || response.status === 408 || response.status === 429) return 'later';
      log.warn({ status: response.status, url: target }, 'ingress: it refused an event, which is skipped');
      return 'refused';
    } catch (error) {
      log.debug({ err: error, url: target }, 'ingress: it cannot be reached; trying again');
      return 'later';
    }
  }

  return {
    counts,
    get behind() {
      return behind.size;
    },
    close() {
      unfollow();
      stop.abort();
    },
  };
}
