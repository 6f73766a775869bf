// The nats-server binaries on this machine: the one on the path, and newer ones in a cache directory.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Refused } from '../platform/errors.ts';

export interface Binary {
  readonly path: string;
  /** Major, minor and patch, e.g. `2.10.27`. */
  readonly version: string;
}

/** Cache of downloaded servers, outside the repository: one directory per suite that they came from. */
export const serverCache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'troupe', 'nats-servers');

/** Every server found, oldest first: `nats-server` on the path, the cache, and the paths in `TROUPE_NATS_SERVERS`. */
export function natsBinaries(): Binary[] {
  const named = (process.env.TROUPE_NATS_SERVERS ?? '').split(delimiter).filter(Boolean);
  const candidates = [onPath('nats-server'), ...cached(), ...named];
  const byVersion = new Map<string, Binary>();
  for (const path of candidates) {
    const version = path && versionOf(path);
    if (version && !byVersion.has(version)) byVersion.set(version, { path, version });
  }
  return [...byVersion.values()].sort((a, b) => compareVersions(a.version, b.version));
}

/** The oldest server of at least this version; undefined if there is none. */
export function natsBinary(atLeast: string): Binary | undefined {
  return natsBinaries().find(({ version }) => compareVersions(version, atLeast) >= 0);
}

/**
 * The server for a task that needs at least this version; `why` completes the error message. It is the one that `NATS_SERVER`
 * names and no other, else the one on the path if it is new enough, else the oldest that is. Throws `Refused('no_nats_server')`
 * or `Refused('nats_too_old')`.
 */
export function neededServer(atLeast: string, why: string, env: NodeJS.ProcessEnv = process.env): Binary {
  const named = env.NATS_SERVER;
  const found = (named ? [named] : [onPath('nats-server')]).flatMap((path) => {
    const version = path && versionOf(path);
    return version ? [{ path, version }] : [];
  })[0];
  if (found && compareVersions(found.version, atLeast) >= 0) return found;
  const other = named ? undefined : natsBinary(atLeast);
  if (other) return other;
  if (found)
    throw new Refused(
      'nats_too_old',
      `${found.path} is nats-server ${found.version}, and ${why} need ${atLeast} or newer; say where one is with NATS_SERVER`,
      503,
    );
  if (named) throw new Refused('no_nats_server', `NATS_SERVER is ${named}, which is no nats-server`, 503);
  throw new Refused(
    'no_nats_server',
    'there is no nats-server on the path; install it (Debian: apt-get install nats-server), or say where it is with NATS_SERVER',
    503,
  );
}

/** Full path of a program, searched on the shell's path and where Debian puts daemons. */
export function onPath(program: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return directories.map((directory) => join(directory, program)).find(isExecutable);
}

export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (const i of [0, 1, 2]) if (left[i] !== right[i]) return left[i]! - right[i]!;
  return 0;
}

function cached(): string[] {
  try {
    return readdirSync(serverCache)
      .map((suite) => join(serverCache, suite, 'nats-server'))
      .filter(isExecutable);
  } catch {
    return [];
  }
}

function versionOf(path: string): string | undefined {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return stdout?.match(/v(\d+\.\d+\.\d+)/)?.[1];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
