// Server-sent events on one connection: writes with back-pressure and keeps an idle connection open.
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Log } from '../../platform/log.ts';
import { Overrun } from '../../sessions/feed.ts';
import type { Told } from './frames.ts';

/** One event in wire format. A client that reconnects resumes from the last event that had an id. */
export const frame = (event: string, data: unknown, id?: string): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

export const frames = (told: readonly Told[]): string =>
  told.map(({ event, data, id }) => frame(event, data, id)).join('');

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Turns off the response buffering of nginx and similar proxies, which would delay events.
  'x-accel-buffering': 'no',
};
/** Time that a client has to read the final frame before its socket is destroyed, ms. */
const FINAL_FRAME = 10_000;

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

  /** Aborted when the client disconnects or the server closes. */
  get signal(): AbortSignal {
    return this.#left.signal;
  }

  /** Whether more bytes wait in this process than the socket's high-water mark. */
  get full(): boolean {
    return this.#raw.writableNeedDrain;
  }

  /** Writes `framesOf` each item, then ends. A client too slow for the feed's buffer gets `overrun` as its last event. */
  async tell<Item extends { readonly type: string }>(
    items: AsyncIterable<Item>,
    framesOf: (item: Item) => string,
  ): Promise<void> {
    try {
      for await (const item of items) {
        const flushed = this.#write(framesOf(item));
        // While the socket has not taken a delta, the next ones stay in the feed, where a takeover can still stop them.
        if (item.type === 'part' || this.#raw.writableNeedDrain) await flushed;
      }
    } catch (error) {
      if (error instanceof Overrun) void this.#write(frame('overrun', { detail: error.message }));
      else if (!this.signal.aborted) this.#log.error({ err: error }, 'a stream of events broke');
    } finally {
      this.#end();
    }
  }

  /** A comment line as heartbeat, so that no proxy closes the idle connection. */
  beat(): void {
    if (!this.#raw.writableNeedDrain && !this.signal.aborted) this.#raw.write(':\n\n');
  }

  /** Ends the stream from the server's side. */
  close(): void {
    this.#leave();
    this.#end();
  }

  /** Resolves when the socket has taken the frames, or the client is gone. Writes of one tick are sent together. */
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
    const timer = setTimeout(() => socket?.destroy(), FINAL_FRAME).unref();
    this.#raw.once('close', () => clearTimeout(timer));
  }

  #leave(): void {
    this.#left.abort();
    this.#release?.();
  }
}

/** The open streams of a server: one timer sends their heartbeats, and closing the server ends them. */
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
