// A node of the proof as a process of its own: the service with the scripted agent. It tells its parent what it is asked to do.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { serve } from '../serve.ts';
import { scripted, type Word } from './script.ts';

/** What a node tells its parent. */
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
  /** The journal refused what this node wanted to write: somebody else had the session already. */
  | { readonly type: 'stale' }
  | { readonly type: 'error'; readonly message: string };

const [url, port, id, replicas] = process.argv.slice(2) as [string, string, string, string];
// A parent that is gone wants no proof any more.
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
  // However often its node is killed, a run is not given up.
  troupe: { agents: [agent], settings: { recoveries: 1_000 } },
} as const;
await serve(config, { log });
tell({ type: 'listening' });
