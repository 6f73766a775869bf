// Idle connections: a closing server must end them, because it waits for every open connection.
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** Interval at which a closing server looks for connections that have become idle, ms. */
const AGAIN = 20;

/**
 * Returns a function that closes idle connections, at once and as more become idle. Node's own `closeIdleConnections` runs
 * once at close and counts a connection that has not sent a request yet as busy.
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
