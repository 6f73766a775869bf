// Replies to `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, so that NATS tools discover the service and read its statistics.

import { randomUUID } from 'node:crypto';
import type { Message, Subscription, Transport } from '../../transport/transport.ts';

export interface MicroEndpoint {
  readonly name: string;
  readonly subject: string;
  readonly queue_group: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface MicroOptions {
  /** Letters, digits, `-` and `_`. */
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** The service counts its requests with `note`. */
  readonly endpoints: readonly MicroEndpoint[];
}

export interface Micro {
  /** Id of this instance of the service. */
  readonly id: string;
  /** Counts a request to an endpoint: its duration in ms, and the error if the reply was one. */
  note(endpoint: string, ms: number, error?: { code: string | number; message: string }): void;
  stop(): void;
}

interface Counts {
  num_requests: number;
  num_errors: number;
  /** `code:message` */
  last_error: string;
  /** Nanoseconds. */
  processing_time: number;
}

/**
 * Registers a service by the rules of NATS micro services, ADR-32
 * (https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md): each verb is answered on `$SRV.<verb>`,
 * `$SRV.<verb>.<name>` and `$SRV.<verb>.<name>.<id>`, by every instance. The endpoints themselves are served elsewhere.
 */
export function microService(transport: Transport, options: MicroOptions): Micro {
  const { name, version, description = '', metadata = {}, endpoints } = options;
  const id = randomUUID();
  const started = new Date().toISOString();
  const counts = new Map(endpoints.map((endpoint) => [endpoint.name, zero()]));
  const self = { name, id, version, metadata };

  const answers = {
    PING: () => ({ type: 'io.nats.micro.v1.ping_response', ...self }),
    INFO: () => ({
      type: 'io.nats.micro.v1.info_response',
      ...self,
      description,
      endpoints: endpoints.map((endpoint) => ({ ...endpoint, metadata: endpoint.metadata ?? {} })),
    }),
    STATS: () => ({
      type: 'io.nats.micro.v1.stats_response',
      ...self,
      started,
      endpoints: endpoints.map(({ metadata: _, ...endpoint }) => ({
        ...endpoint,
        ...withAverage(counts.get(endpoint.name)!),
      })),
    }),
  };
  const subscriptions: Subscription[] = [];
  for (const [verb, answer] of Object.entries(answers)) {
    const respond = ({ reply }: Message): void => {
      if (reply !== undefined) transport.publish(reply, JSON.stringify(answer()));
    };
    for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${id}`])
      subscriptions.push(transport.subscribe(subject, respond));
  }

  return {
    id,
    note(endpoint, ms, error) {
      const count = counts.get(endpoint);
      if (!count) return;
      count.num_requests += 1;
      count.processing_time += Math.round(ms * 1e6);
      if (!error) return;
      count.num_errors += 1;
      count.last_error = `${error.code}:${error.message}`;
    },
    stop() {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}

const zero = (): Counts => ({ num_requests: 0, num_errors: 0, last_error: '', processing_time: 0 });

const withAverage = (counts: Counts) => ({
  ...counts,
  average_processing_time: counts.num_requests === 0 ? 0 : Math.floor(counts.processing_time / counts.num_requests),
});
