// The configuration: the environment overrides one file, the file overrides the defaults. Each error names its field.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parse as parseYaml } from 'yaml';
import type { z } from 'zod';
import type { Settings } from '../../machines/session/events.ts';
import type { NatsNodeOptions } from '../cluster/node.ts';
import { Refused } from '../platform/errors.ts';
import { issuesOf } from '../platform/parse.ts';
import type { TroupeOptions } from '../troupe.ts';
import { type ConfigFile, dataFile, environment, type LogLevel, programFile } from './schemas.ts';
import { withVariables } from './variables.ts';

/** The database of the journal: in this process's memory, or a file. */
export type Database = { readonly kind: 'memory' } | { readonly kind: 'sqlite'; readonly path: string };

export interface Config {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Whether to use another free port if this one is taken. */
  readonly any_port?: boolean;
  /** The cluster this process joins; its journal is in JetStream then, and `database` is not opened. */
  readonly nats?: NatsNodeOptions;
  /** The loopback port for NATS clients of a process without a cluster; 0 takes any free port. Default 4222, if free. */
  readonly nats_port?: number | 'off';
  readonly database: Database;
  /** Every event is pushed to `{ingress_url}/internal/send`. */
  readonly ingress_url?: string;
  readonly log_level: LogLevel;
  /** Options of the runtime; the caller adds journal, clock and log. */
  readonly troupe: Omit<TroupeOptions, 'journal' | 'clock' | 'log'>;
  /** Path of the configuration file, if there is one. */
  readonly file?: string;
}

export type { ConfigFile };

export interface LoadOptions {
  /** Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where the file is searched, and the base of relative paths. Default: the working directory. */
  readonly cwd?: string;
  /** The file to read, instead of `TROUPE_CONFIG` or the one in `cwd`. */
  readonly file?: string;
}

const FILES = ['troupe.config.ts', 'troupe.config.js', 'troupe.config.mjs', 'troupe.config.yaml', 'troupe.config.yml'];

/** Reads the configuration. Throws `Refused('bad_config')` with every invalid field and its valid values. */
export async function loadConfig({ env = process.env, cwd = process.cwd(), file }: LoadOptions = {}): Promise<Config> {
  const said = readEnvironment(env);
  const path = findFile(cwd, file ?? said.TROUPE_CONFIG);
  const told: ConfigFile = path === undefined ? {} : await readFileOf(path);
  const nats_url = said.NATS_URL ?? told.nats_url;
  const nats_port = said.NATS_PORT ?? told.nats_port;
  const port = said.HTTP_PORT ?? told.http?.port;
  const attempt_ms = said.AGENT_TIMEOUT_MS ?? told.settings?.attempt_ms ?? told.agent_timeout_ms;
  return {
    host: said.HTTP_HOST ?? told.http?.host ?? '127.0.0.1',
    port: port ?? 8080,
    // Several nodes of a cluster may be started on one machine with the same command.
    ...(nats_url !== undefined && port === undefined && { any_port: true }),
    ...(nats_url !== undefined && { nats: { url: nats_url, replicas: said.NATS_REPLICAS ?? told.nats_replicas } }),
    ...(nats_port !== undefined && { nats_port }),
    database: databaseOf(said.DATABASE_URL ?? told.database_url ?? '.troupe/troupe.db', cwd),
    ingress_url: said.INGRESS_URL ?? told.ingress_url,
    log_level: said.LOG_LEVEL ?? told.log_level ?? 'info',
    troupe: {
      ...runtimeOf(told, { ...told.settings, ...(attempt_ms !== undefined && { attempt_ms }) }),
      ...given({ drain_ms: said.DRAIN_TIMEOUT_MS ?? told.drain_timeout_ms }),
      ...(told.mcp && { mcp: withVariables(told.mcp, env, 'mcp') }),
      ...(told.agent_protocol && { agent_protocol: told.agent_protocol }),
    },
    file: path,
  };
}

/**
 * Parses a database URL: `memory:`, a path, `sqlite:` and a path, or a `file:` URL. Relative paths are resolved against `cwd`.
 * Throws `Refused('bad_config')` for a database that this version does not support.
 */
export function databaseOf(url: string, cwd: string): Database {
  if (/^(memory:|sqlite::memory:|:memory:)$/.test(url)) return { kind: 'memory' };
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'sqlite' && scheme !== 'file')
    throw bad(`DATABASE_URL: ${scheme}: is not known; use a path, "sqlite:<path>", "file:<path>" or "memory:"`);
  const path = scheme === undefined ? url : pathOf(url.slice(scheme.length + 1));
  if (path === '' || path.endsWith('/')) throw bad('DATABASE_URL: names no file');
  return { kind: 'sqlite', path: resolve(cwd, path) };
}

/** `///var/x.db` is absolute; `//x.db`, a common spelling, and `x.db` are relative. */
function pathOf(rest: string): string {
  if (rest.startsWith('///')) return fileURLToPath(`file:${rest}`);
  return rest.startsWith('//') ? rest.slice(2) : rest;
}

function runtimeOf(file: ConfigFile, settings: Partial<Settings>): Config['troupe'] {
  const { agents, flows, tools, handleNoMatch, shouldProcess, prepareContext, postProcess } = file;
  const { routing = file.routing_strategy, routing_threshold, routing_model, default_agent } = file;
  const { passivate_ms, max_resident, breaker, balancing, health_check_interval } = file;
  const { failure_threshold, recovery_timeout, slow_ms, slow_rate, budget_usd } = breaker ?? {};
  const limits = {
    failure_threshold,
    recovery_ms: recovery_timeout === undefined ? undefined : recovery_timeout * 1_000,
    slow_ms,
    slow_rate,
    budget_usd,
  };
  return {
    ...given({ agents, flows, tools, passivate_ms, max_resident, llm: file.llm }),
    ...given({ routing, routing_threshold, routing_model, default_agent }),
    ...given({ orchestrators: file.orchestrators, jobs: file.jobs, machines: file.machines, stuck_ms: file.stuck_ms }),
    ...given({
      max_concurrent_requests: file.max_concurrent_requests,
      request_timeout_ms: file.request_timeout === undefined ? undefined : file.request_timeout * 1_000,
    }),
    ...given({ authorize: file.authorize, handleNoMatch, shouldProcess, prepareContext, postProcess }),
    settings: given(settings),
    pool: given({
      balancing,
      breaker: given(limits),
      checks: health_check_interval === 0 ? undefined : { interval_ms: (health_check_interval ?? 30) * 1_000 },
    }),
  };
}

/** Drops undefined members, which would hide defaults. */
const given = <T extends object>(values: T): T =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;

function findFile(cwd: string, named: string | undefined): string | undefined {
  if (named !== undefined) {
    const path = resolve(cwd, named);
    if (!existsSync(path)) throw bad(`there is no configuration file ${path}`);
    return path;
  }
  const found = FILES.map((name) => join(cwd, name)).filter((path) => existsSync(path));
  if (found.length > 1) throw bad(`there are ${found.map((path) => basename(path)).join(' and ')}; keep one of them`);
  return found[0];
}

async function readFileOf(path: string): Promise<ConfigFile> {
  const name = basename(path);
  if (/\.ya?ml$/.test(path)) return check(dataFile, await readYaml(path), name) as ConfigFile;
  const module = await import(pathToFileURL(path).href).catch((error: Error) => {
    throw bad(`${name} cannot be loaded: ${error.message}`);
  });
  if (module.default === undefined) throw bad(`${name} exports nothing: it should \`export default\` an object`);
  return check(programFile, module.default, name) as ConfigFile;
}

async function readYaml(path: string): Promise<unknown> {
  try {
    return parseYaml(await readFile(path, 'utf8')) ?? {};
  } catch (error) {
    throw bad(`${basename(path)} is no YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

function readEnvironment(env: NonNullable<LoadOptions['env']>) {
  // An empty variable counts as not set.
  return check(environment, Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')));
}

function check<S extends z.ZodType>(schema: S, input: unknown, name?: string): z.output<S> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = issuesOf(schema, parsed.error).map(({ field, message }) => `${field || 'the file'}: ${message}`);
  throw bad((name === undefined ? issues : issues.map((issue) => `${name}: ${issue}`)).join('\n'));
}

const bad = (sentence: string): Refused => new Refused('bad_config', sentence, 400);
