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
  /** From now on the server's counts of what its consumers are still to deliver are one too high. */
  miscount(): void;
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
  let miscounting = false;
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
    let rest = '';
    server.on('data', (chunk) => {
      if (deaf) return;
      let data: Buffer = chunk;
      if (miscounting) {
        // Only whole lines, so that no count is cut in two.
        const text = rest + chunk.toString('latin1');
        const end = text.lastIndexOf('\n') + 1;
        rest = text.slice(end);
        data = Buffer.from(miscounted(text.slice(0, end)), 'latin1');
      }
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
    miscount: () => {
      miscounting = true;
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

/** Counts that end a reply subject, and those in what is told of a consumer; there the length must stay as it is. */
const miscounted = (text: string): string =>
  text
    .replace(/(\$JS\.ACK\.(?:[^\s.]+\.){6})(\d+) /g, (_, before, count) => `${before}${Number(count) + 1} `)
    .replace(/("num_pending":)([0-8])(?!\d)/g, (_, before, count) => `${before}${Number(count) + 1}`);
