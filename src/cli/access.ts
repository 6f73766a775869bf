// Options that every command with a service takes: its URL, and the caller's tenant.
import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { Service } from './service.ts';

export interface AccessOptions {
  readonly url?: string;
  readonly tenant?: string;
  readonly apiKey?: string;
}

export const accessOptions = (command: Command): Command =>
  command
    .option('--url <url>', 'where the service is; where it is configured to be unless told (or TROUPE_URL)')
    .option('--tenant <tenant>', 'whose sessions; default unless told (or TROUPE_TENANT)')
    .option('--api-key <key>', 'who asks (or TROUPE_API_KEY)');

export async function serviceOf({ url, tenant, apiKey }: AccessOptions): Promise<Service> {
  const { TROUPE_URL, TROUPE_TENANT, TROUPE_API_KEY } = process.env;
  return new Service({
    url: url ?? TROUPE_URL ?? (await configuredUrl()),
    tenant: tenant ?? TROUPE_TENANT,
    apiKey: apiKey ?? TROUPE_API_KEY,
  });
}

async function configuredUrl(): Promise<string> {
  const { host, port } = await loadConfig();
  return urlOf(host, port);
}

/** The URL of a service that listens on this machine. */
export function urlOf(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
