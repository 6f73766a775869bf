// Connections on which nothing was ever asked: Node counts them as busy, so a server would wait for them for ever when it closes.
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** Returns the function that ends them. */
export function silentConnections(server: Server): () => void {
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
  };
}
