// A node of the proof as a process: the service with the scripted agent. It reports the agent's calls to its parent.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { serve } from '../serve.ts';
import { scripted, type Word } from './script.ts';

/** A message of a node to its parent. */
export type Report =
  | { readonly type: 'listening' }
  | { readonly type: 'invoked'; readonly session: string; readonly key: string }
  | {
      readonly type: 'ended';
      readonly session: string;
      readonly key: string;
      readonly attempt: string;
      readonly words: readonly Word[];
    }
  /** The journal refused an append as stale: another node had taken over the session. */
  | { readonly type: 'stale' }
  | { readonly type: 'error'; readonly message: string };

const [url, port, id, replicas] = process.argv.slice(2) as [string, string, string, string];
// Without its parent the node ends.
process.on('disconnect', () => process.exit());
const tell = (report: Report): void => void process.send?.(report);

const log = pino(
  { level: 'warn' },
  new Writable({
    write(line, _, done) {
      const { err, msg } = JSON.parse(String(line)) as { err?: { type: string; message: string }; msg: string };
      if (err) tell(err.type === 'Conflict' ? { type: 'stale' } : { type: 'error', message: `${msg}: ${err.message}` });
      done();
    },
  }),
);
const agent = scripted({
  invoked: (session, key) => tell({ type: 'invoked', session, key }),
  ended: (session, key, attempt, words) => tell({ type: 'ended', session, key, attempt, words }),
});
const config = {
  host: '127.0.0.1',
  port: Number(port),
  nats: { url, id, replicas: Number(replicas) },
  database: { kind: 'memory' },
  log_level: 'warn',
  // A run is never dead-lettered, however often its node is killed.
  troupe: { agents: [agent], settings: { recoveries: 1_000 } },
} as const;
await serve(config, { log });
tell({ type: 'listening' });
