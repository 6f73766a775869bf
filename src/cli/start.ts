// `troupe start`: runs the service. Output for people goes to stdout, the log to stderr.
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { Service } from '../serve.ts';
import { type ConfigOptions, configOptions, configured } from './configured.ts';

export const start = configOptions(new Command('start'))
  .description('run the service; without a configuration it is the front desk of the examples')
  .option('--pretty', 'a log for people instead of JSON lines')
  .action(async ({ pretty, ...options }: ConfigOptions & { pretty?: true }) => {
    // Imported here, so that the other commands do not wait for a server to load.
    const { serve } = await import('../serve.ts');
    const config = await configured(options);
    const service = await serve(config, { log: await logOf(config, pretty) });
    console.log(`Troupe listens at ${styleText('bold', service.url)}`);
    console.log(hints(config, service));
  });

async function logOf({ log_level: level }: Config, pretty: boolean | undefined): Promise<Logger> {
  const { pino } = await import('pino');
  if (!pretty) return pino({ level }, pino.destination(2));
  const { default: prettier } = await import('pino-pretty');
  return pino({ level }, prettier({ destination: 2, ignore: 'pid,hostname' }));
}

function hints(
  { host, port, file, troupe, database, nats }: Config,
  { url, nats_url }: Pick<Service, 'url' | 'nats_url'>,
): string {
  const where = host === '127.0.0.1' && port === 8080 ? '' : ` --url ${url}`;
  const agents = (troupe.agents ?? []).map(({ id }) => id).join(', ');
  return [
    `  agents    ${agents || 'none yet: POST /v1/agents/register'}${file ? '' : ' (the front desk of the examples)'}`,
    `  sessions  ${nats ? 'in the JetStream journal of the cluster' : database.kind === 'memory' ? 'in memory only' : database.path}`,
    ...(nats_url === undefined
      ? []
      : [`  subjects  ${nats_url} (any NATS client: troupe.default.session.<id>.<verb>)`]),
    'Now try, in another terminal:',
    `  npx troupe chat${where}`,
    `  curl -X POST ${url}/v1/sessions/s1/messages -H 'content-type: application/json' -d '{"content":"where is my order 1234?"}'`,
  ].join('\n');
}
