// Pushes every event of every session to an ingress (D6): in order per session, tried until it is taken, never in a run's way.
import { setTimeout as pause } from 'node:timers/promises';
import { eventsOf, type RunEvent } from '../../actors/transcript.ts';
import { isSession, type Key, keyName } from '../journal/journal.ts';
import type { Log } from '../platform/log.ts';
import type { Troupe } from '../troupe.ts';

export interface IngressOptions {
  /** Whose sessions: in a cluster each node pushes what it decides itself. */
  readonly troupe: Pick<Troupe, 'journal' | 'orchestrator'>;
  /** Events go to `POST {url}/internal/send`. */
  readonly url: string;
  readonly log: Log;
  /** Sessions that are told of at once; 16 unless told. */
  readonly concurrency?: number;
  /** A push that is not answered after so many ms has failed; 10,000 unless told. */
  readonly timeout_ms?: number;
  /** The first wait after a failure, ms; it doubles up to 30 s. 200 unless told. */
  readonly backoff_ms?: number;
}

export interface Ingress {
  /** Counted since the start. `refused`: the ingress said 4xx, so that trying again would not help. */
  readonly counts: { readonly sent: number; readonly retried: number; readonly refused: number };
  /** Sessions whose events are not all delivered. */
  readonly behind: number;
  /** Stops pushing; what is not delivered stays in the journal. */
  close(): void;
}

const LONGEST_WAIT = 30_000;

/**
 * Starts pushing what happens from now on. Nothing is queued but how far each session is delivered, for its events are in the
 * journal: an ingress that is down for long costs no memory, and none of its events. An event is delivered at least once, with
 * `tenant/session#id` as its `Idempotency-Key`. What was not delivered when the process ends is not pushed by the next one: the
 * receiver sees the gap in the ids and can read it at `GET /v1/sessions/{id}/events?after=`.
 */
export function startIngress({ troupe, log, ...options }: IngressOptions): Ingress {
  const { concurrency = 16, timeout_ms = 10_000, backoff_ms = 200 } = options;
  const target = `${options.url.replace(/\/+$/, '')}/internal/send`;
  const counts = { sent: 0, retried: 0, refused: 0 };
  const stop = new AbortController();
  /** The first entry of each session that is not delivered, and the last there is. In this order they get their turn. */
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

  /** Delivers a session until nothing is left of it; only one of these runs for each session. */
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
