// Server-sent events on one connection: writes, waits for a slow reader, and keeps an idle connection open.
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Log } from '../../platform/log.ts';
import { Overrun } from '../../sessions/feed.ts';
import type { Told } from './frames.ts';

/** One event, as it goes over the wire. Without an id a listener that comes back resumes from the last one that had one. */
export const frame = (event: string, data: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

export const frames = (told: readonly Told[]): string =>
  told.map(({ event, data, id }) => frame(event, data, id)).join('');

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Proxies of the nginx family would hold the events back.
  'x-accel-buffering': 'no',
};
/** How long a reader that was told to come back may take to read that, ms. */
const LAST_WORDS = 10_000;

export class EventStream {
  readonly #raw: ServerResponse;
  readonly #log: Log;
  readonly #left = new AbortController();
  #release: (() => void) | undefined;

  constructor(reply: FastifyReply, log: Log) {
    reply.hijack();
    this.#raw = reply.raw;
    this.#log = log;
    this.#raw.once('close', () => this.#leave());
    this.#raw.on('error', () => this.#leave());
    this.#raw.writeHead(200, HEADERS);
    this.#raw.flushHeaders();
  }

  /** Aborted when nobody listens any more, or the server closes. */
  get signal(): AbortSignal {
    return this.#left.signal;
  }

  /** Whether more is waiting in this process than a socket should hold. */
  get full(): boolean {
    return this.#raw.writableNeedDrain;
  }

  /** Writes what `framesOf` makes of each item, then ends. A listener that is too slow is told to come back. */
  async tell<Item extends { readonly type: string }>(
    items: AsyncIterable<Item>,
    framesOf: (item: Item) => string,
  ): Promise<void> {
    try {
      for await (const item of items) {
        const flushed = this.#write(framesOf(item));
        // While the system has not taken a piece of an answer, the next ones stay in the feed: a takeover can stop them there.
        if (item.type === 'part' || this.#raw.writableNeedDrain) await flushed;
      }
    } catch (error) {
      if (error instanceof Overrun) void this.#write(frame('overrun', { detail: error.message }));
      else if (!this.signal.aborted) this.#log.error({ err: error }, 'a stream of events broke');
    } finally {
      this.#end();
    }
  }

  /** A comment, so that nobody in between takes the connection for dead. */
  beat(): void {
    if (!this.#raw.writableNeedDrain && !this.signal.aborted) this.#raw.write(':\n\n');
  }

  /** Ends what is being listened to, from our side. */
  close(): void {
    this.#leave();
    this.#end();
  }

  /** Resolves when the system has taken all of it, or nobody listens any more. Writes of one tick go out together. */
  #write(frames: string): Promise<void> {
    if (frames === '' || this.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#release = resolve;
      this.#raw.write(frames, () => resolve());
    });
  }

  #end(): void {
    if (this.#raw.writableEnded) return;
    this.#raw.end();
    const { socket } = this.#raw;
    const timer = setTimeout(() => socket?.destroy(), LAST_WORDS).unref();
    this.#raw.once('close', () => clearTimeout(timer));
  }

  #leave(): void {
    this.#left.abort();
    this.#release?.();
  }
}

/** The streams of a server: they beat together and end together. */
export class EventStreams {
  readonly #open = new Set<EventStream>();
  readonly #timer: NodeJS.Timeout;
  readonly #log: Log;

  constructor(heartbeat_ms: number, log: Log) {
    this.#log = log;
    this.#timer = setInterval(() => {
      for (const stream of this.#open) stream.beat();
    }, heartbeat_ms).unref();
  }

  get size(): number {
    return this.#open.size;
  }

  open(reply: FastifyReply): EventStream {
    const stream = new EventStream(reply, this.#log);
    this.#open.add(stream);
    reply.raw.once('close', () => this.#open.delete(stream));
    return stream;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const stream of this.#open) stream.close();
  }
}
