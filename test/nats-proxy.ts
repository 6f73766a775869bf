// A line between a client and its NATS server that can be cut so that requests arrive and answers do not.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Proxy {
  /** `nats://127.0.0.1:<port>`. */
  readonly url: string;
  /** From now on nothing comes back from the server; requests still reach it. */
  deafen(): void;
  /** From now on nothing reaches the server. */
  mute(): void;
  /** What comes back from the server takes so much longer, ms. */
  delay(ms: number): void;
  /** Drops all connections, and lets new ones through unharmed. */
  reset(): void;
  close(): Promise<void>;
}

export async function proxyTo(port: number): Promise<Proxy> {
  const lines = new Set<Socket>();
  let deaf = false;
  let mute = false;
  let late = 0;
  const listener = createServer((client) => {
    const server = connect(port, '127.0.0.1');
    for (const socket of [client, server]) {
      lines.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        lines.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (data) => mute || server.write(data));
    server.on('data', (data) => {
      if (deaf) return;
      if (late > 0) setTimeout(() => client.write(data), late);
      else client.write(data);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const reset = () => {
    deaf = false;
    mute = false;
    late = 0;
    for (const socket of lines) socket.destroy();
  };
  return {
    url: `nats://127.0.0.1:${(listener.address() as { port: number }).port}`,
    deafen: () => {
      deaf = true;
    },
    mute: () => {
      mute = true;
    },
    delay: (ms) => {
      late = ms;
    },
    reset,
    async close() {
      listener.close();
      reset();
    },
  };
}
