// A tap: follows the end of the stream and delivers every entry of every process, in order.

import type { StreamInfo } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { Consumer } from '../../nats/consumer.ts';
import type { JetStream } from '../../nats/jetstream.ts';
import type { Version } from '../journal.ts';

export interface TapHandlers {
  /** Called for each message after the start position, once, in the order of the stream. */
  readonly onMessage: (version: Version, message: Msg) => void;
  /** The tap could not be opened, and tries again. Called once for each outage. */
  readonly onTrouble: (error: unknown) => void;
}

/** Milliseconds between attempts to open a tap again. */
const PAUSE = 250;

export class Tap {
  /**
   * Resolves when the tap delivers every message stored from then on, or when the first attempt to open it has failed.
   */
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

  /** The tap skips messages up to this version; undefined until it has read the end of the stream. */
  get start(): Version | undefined {
    return this.#start;
  }

  /** The tap has delivered, or skipped, every message up to this version. */
  get position(): Version {
    return this.#position;
  }

  /** Whether the tap is open. */
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

  /** Asks the leader for the end of the stream, because the consumer may run on a replica that lags. */
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
