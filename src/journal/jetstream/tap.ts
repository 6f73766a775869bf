// The end of the stream: every entry that anybody appends, in order, from the moment it was asked for.

import type { StreamInfo } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { Consumer } from '../../nats/consumer.ts';
import type { JetStream } from '../../nats/jetstream.ts';
import type { Version } from '../journal.ts';

export interface TapHandlers {
  /** Each message after the position at the start, once, in the order of the stream. */
  readonly onMessage: (version: Version, message: Msg) => void;
  /** The tap could not be opened, and tries again. Told once for each outage. */
  readonly onTrouble: (error: unknown) => void;
}

/** Milliseconds between attempts to open a tap again. */
const PAUSE = 250;

export class Tap {
  /** Resolves once every message stored from then on will be heard, or when that could not be had at the first attempt. */
  readonly live: Promise<void>;
  readonly #js: JetStream;
  readonly #stream: string;
  readonly #handlers: TapHandlers;
  #start: Version | undefined;
  #position: Version = 0;
  #isLive = false;
  #consumer: Consumer | undefined;
  #closed = false;

  constructor(js: JetStream, stream: string, handlers: TapHandlers) {
    this.#js = js;
    this.#stream = stream;
    this.#handlers = handlers;
    this.live = this.#open();
  }

  /** What was stored up to here is not heard; undefined until that is known. */
  get start(): Version | undefined {
    return this.#start;
  }

  /** What was stored up to here was heard, or is never. */
  get position(): Version {
    return this.#position;
  }

  /** Whether messages are coming in, or would be. */
  get isLive(): boolean {
    return this.#isLive;
  }

  close(): void {
    this.#closed = true;
    this.#consumer?.close();
  }

  async #open(told = false): Promise<void> {
    this.#isLive = false;
    if (this.#closed) return;
    try {
      this.#start ??= this.#position = await this.#end();
      this.#consumer = await this.#follow();
      this.#isLive = true;
      if (this.#closed) this.#consumer.close();
    } catch (error) {
      if (this.#closed) return;
      if (!told) this.#handlers.onTrouble(error);
      setTimeout(() => this.#open(true), PAUSE).unref();
    }
  }

  /** The leader knows where the stream ends. The consumer may run on a replica that is behind. */
  async #end(): Promise<Version> {
    return (await this.#js.call<StreamInfo>(`STREAM.INFO.${this.#stream}`)).state.last_seq;
  }

  #follow(): Promise<Consumer> {
    const config = { deliver_policy: 'by_start_sequence', opt_start_seq: this.#position + 1 } as const;
    return Consumer.start(this.#js, this.#stream, config, {
      onDelivery: ({ sequence, message }) => {
        if (sequence <= this.#position) return;
        this.#position = sequence;
        this.#handlers.onMessage(sequence, message);
      },
      onBroken: () => void this.#open(),
    });
  }
}
