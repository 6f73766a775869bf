// What `import … from 'troupe/nats'` gives: nodes of a cluster on NATS, the journal on JetStream, and the NATS port of a runtime.
export type { NatsConnection } from '@nats-io/transport-node';
export type { ClusterOptions } from './cluster/cluster.ts';
export { type NatsNode, type NatsNodeOptions, natsNode } from './cluster/node.ts';
export { type JetstreamJournal, type JetstreamJournalOptions, jetstreamJournal } from './journal/jetstream.ts';
export { connectNats, NatsError, type NatsOptions } from './nats/connect.ts';
export { type NatsPort, type NatsPortOptions, natsPort } from './nats/port.ts';
export { type NatsTransportOptions, natsTransport } from './transport/nats.ts';
