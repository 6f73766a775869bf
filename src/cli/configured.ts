// The configuration of a command: its options override the environment.
import type { Command } from 'commander';
import { type Config, loadConfig } from '../config/config.ts';

export interface ConfigOptions {
  readonly config?: string;
  readonly host?: string;
  readonly port?: string;
  readonly db?: string;
}

export const configOptions = (command: Command): Command =>
  command
    .option('--config <file>', 'the configuration; troupe.config.{ts,js,yaml} here unless told (or TROUPE_CONFIG)')
    .option('--host <host>', 'the address to listen at; 127.0.0.1 unless told (or HTTP_HOST)')
    .option('--port <port>', 'the port to listen at, 0 for any; 8080 unless told (or HTTP_PORT)')
    .option('--db <url>', 'the database, or memory:; .troupe/troupe.db unless told (or DATABASE_URL)');

/** Reads the configuration; without one, that of the front desk example. Throws `Refused('bad_config')`. */
export async function configured({ config: file, host, port, db }: ConfigOptions = {}): Promise<Config> {
  const env = {
    ...process.env,
    ...(host !== undefined && { HTTP_HOST: host }),
    ...(port !== undefined && { HTTP_PORT: port }),
    ...(db !== undefined && { DATABASE_URL: db }),
  };
  const config = await loadConfig({ env, file });
  if (config.file !== undefined) return config;
  const { default: frontDesk } = await import('../../examples/front-desk.ts');
  return { ...config, troupe: { ...config.troupe, ...frontDesk } };
}
