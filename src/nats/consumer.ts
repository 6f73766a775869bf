// An ordered push consumer of a stream that reports when deliveries may be missing.
//
// The client's own ordered consumer starts again at the first message of the stream when its server dies before the
// first delivery, and takes a minute to notice. Users of this one know their position and resume from it.

import type { ConsumerConfig, ConsumerInfo } from '@nats-io/jetstream';
import { createInbox, type Msg, type Subscription } from '@nats-io/transport-node';
import { inboxPrefix } from './connect.ts';
import type { JetStream } from './jetstream.ts';
import { ConnectionLost } from './replies.ts';

export interface Delivery {
  /** The message's sequence in the stream. */
  readonly sequence: number;
  readonly message: Msg;
}

export interface ConsumerHandlers {
  /** Called for each message, in the order of the stream, without gaps. */
  readonly onDelivery: (delivery: Delivery) => void;
  /**
   * Called once, after the start, when deliveries may be missing from here on: some were lost, or the server fell
   * silent.
   */
  readonly onBroken: () => void;
  /** Called when the consumer was idle for a second. */
  readonly onIdle?: () => void;
}

/**
 * The server sends a heartbeat after one idle second; three seconds with neither a message nor a heartbeat mean that
 * the consumer is gone.
 */
const HEARTBEAT = 1000;
const SILENCE = 1500;

export class Consumer {
  readonly #js: JetStream;
  readonly #stream: string;
  readonly #handlers: ConsumerHandlers;
  readonly #subscription: Subscription;
  readonly #forgetReconnects: () => void;
  #name: string | undefined;
  #started = false;
  #delivered = 0;
  #heard = true;
  #silences = 0;
  #watch: NodeJS.Timeout | undefined;
  #closed = false;

  /** Resolves when the server has created the consumer. Rejects as `JetStream.call` does. */
  static async start(
    js: JetStream,
    stream: string,
    config: Partial<ConsumerConfig>,
    handlers: ConsumerHandlers,
  ): Promise<Consumer> {
    const consumer = new Consumer(js, stream, handlers);
    try {
      await consumer.#create(config);
      if (consumer.#closed) throw new ConnectionLost('the consumer was lost while it started');
      consumer.#started = true;
      return consumer;
    } catch (error) {
      consumer.close();
      throw error;
    }
  }

  private constructor(js: JetStream, stream: string, handlers: ConsumerHandlers) {
    this.#js = js;
    this.#stream = stream;
    this.#handlers = handlers;
    this.#subscription = js.connection.subscribe(createInbox(inboxPrefix(js.connection)), {
      callback: (error, message) => {
        if (error) this.#break();
        else if (!this.#closed) this.#receive(message);
      },
    });
    // A restarted server has lost the consumer; any other server may have sent messages that the closed connection did
    // not receive.
    this.#forgetReconnects = js.onReconnect(() => this.#break());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watch);
    this.#forgetReconnects();
    this.#subscription.unsubscribe();
    // Frees the consumer early: the server removes it anyway after a time of inactivity.
    if (this.#name) this.#js.ask(`$JS.API.CONSUMER.DELETE.${this.#stream}.${this.#name}`).catch(() => {});
  }

  async #create(config: Partial<ConsumerConfig>): Promise<void> {
    const { name } = await this.#js.call<ConsumerInfo>(`CONSUMER.CREATE.${this.#stream}`, {
      stream_name: this.#stream,
      config: {
        ...config,
        deliver_subject: this.#subscription.getSubject(),
        // No acknowledgements: a gap in the sequence reveals a lost message, and the reader resumes from the stream.
        ack_policy: 'none',
        max_deliver: 1,
        replay_policy: 'instant',
        flow_control: true,
        idle_heartbeat: HEARTBEAT * 1e6,
        inactive_threshold: 10e9,
        mem_storage: true,
        num_replicas: 1,
      },
    });
    this.#name = name;
    this.#watch = setInterval(() => this.#checkSilence(), SILENCE);
    this.#watch.unref();
  }

  #receive(message: Msg): void {
    this.#heard = true;
    if (message.data.length === 0 && message.headers?.code === 100) {
      this.#control(message);
      return;
    }
    const { sequence, delivered } = parseReply(message.reply!);
    if (delivered !== this.#delivered + 1) {
      this.#break();
      return;
    }
    this.#delivered = delivered;
    this.#handlers.onDelivery({ sequence, message });
  }

  /**
   * Replies to flow control. A heartbeat has the sequence of the last delivery, and may carry a stalled flow control.
   */
  #control(message: Msg): void {
    const stalled = message.headers!.get('Nats-Consumer-Stalled');
    if (message.reply || stalled) {
      this.#js.connection.publish(message.reply || stalled);
      return;
    }
    if (Number(message.headers!.get('Nats-Last-Consumer')) > this.#delivered) this.#break();
    else this.#handlers.onIdle?.();
  }

  // Two silent intervals, because after a long block of the event loop this timer fires before the messages that wait
  // in the socket.
  #checkSilence(): void {
    this.#silences = this.#heard ? 0 : this.#silences + 1;
    this.#heard = false;
    if (this.#silences >= 2) this.#break();
  }

  #break(): void {
    if (this.#closed) return;
    this.close();
    if (this.#started) this.#handlers.onBroken();
  }
}

/**
 * `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<sequence>.<delivered>.<time>.<pending>[.<random>]`
 */
function parseReply(reply: string): { sequence: number; delivered: number } {
  const tokens = reply.split('.');
  const shift = tokens.length > 9 ? 2 : 0;
  return { sequence: Number(tokens[5 + shift]), delivered: Number(tokens[6 + shift]) };
}
