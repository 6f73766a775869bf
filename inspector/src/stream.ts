// Listening to the service: server-sent events that are resumed where they broke off, with as long a wait as the outage asks for.
import { createParser } from 'eventsource-parser';
import { type Problem, problem } from './api.ts';
import { tenant } from './place.tsx';

export interface Frame {
  readonly id?: string;
  readonly event: string;
  readonly data: any;
}

/** How the connection is: `ended` when the service says that there is nothing more to hear. */
export type Link = 'connecting' | 'live' | 'waiting' | 'ended' | 'refused';

export interface Listener {
  /** Where to go on when nothing was heard yet. */
  readonly after?: string;
  frame(frame: Frame): void;
  link(state: Link, problem?: Problem): void;
}

const FIRST_WAIT = 300;
const LONGEST_WAIT = 5_000;
/** The service beats every 15 s; a connection that is silent for longer than this is dead, ms. */
const SILENCE = 40_000;

/** Listens until the function that it returns is called. What was heard once is not heard again. */
export function listen(path: string, listener: Listener): () => void {
  const stopped = new AbortController();
  let last = listener.after;
  let wait = FIRST_WAIT;

  const once = async (): Promise<Link> => {
    const headers: Record<string, string> = { accept: 'text/event-stream', 'x-tenant-id': tenant() };
    if (last !== undefined) headers['last-event-id'] = last;
    const broken = new AbortController();
    const signal = AbortSignal.any([stopped.signal, broken.signal]);
    let silence = setTimeout(() => broken.abort(), SILENCE);
    try {
      const response = await fetch(path, { headers, signal });
      if (response.status === 204) return 'ended';
      if (!response.ok || !response.body) {
        const refused = problem(response.status, await response.text());
        // Another session of the same name has begun since: everything is new.
        if (refused.code === 'unknown_event_id') last = undefined;
        else if (response.status < 500 && response.status !== 429) {
          listener.link('refused', refused);
          return 'refused';
        }
        return 'waiting';
      }
      listener.link('live');
      wait = FIRST_WAIT;
      const parser = createParser({
        onEvent({ id, event = 'message', data }) {
          if (id !== undefined) last = id;
          listener.frame({ id, event, data: JSON.parse(data) });
        },
      });
      for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
        clearTimeout(silence);
        silence = setTimeout(() => broken.abort(), SILENCE);
        parser.feed(text);
      }
      return 'waiting';
    } catch {
      return 'waiting';
    } finally {
      clearTimeout(silence);
    }
  };

  const go = async (): Promise<void> => {
    listener.link('connecting');
    while (!stopped.signal.aborted) {
      const state = await once();
      if (stopped.signal.aborted || state === 'refused') return;
      listener.link(state);
      if (state === 'ended') return;
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
  };
  void go();
  return () => stopped.abort();
}
