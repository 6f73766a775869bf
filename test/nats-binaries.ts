// Which nats-server binaries there are to test with.
export * from '../src/prove/nats-binaries.ts';
