// Connections on which nothing is being asked: a server that closes must end them, or it waits for them for ever.
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** Between two looks for connections that fell idle while the server closes, ms. */
const AGAIN = 20;

/**
 * Returns the function that ends them, now and as they fall idle. Node does so once, when a server closes, and takes a
 * connection that has not asked anything yet for a busy one.
 */
export function idleConnections(server: Server): () => void {
  const silent = new Set<Socket>();
  const spoke = ({ socket }: IncomingMessage) => void silent.delete(socket);
  server.on('connection', (socket: Socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  server.on('request', spoke);
  server.on('upgrade', spoke);
  return () => {
    for (const socket of silent) socket.destroy();
    if (!server.listening) return;
    const timer = setInterval(() => server.closeIdleConnections(), AGAIN);
    server.once('close', () => clearInterval(timer));
  };
}
