// What the tests need besides npm packages: found on this machine, or installed from Debian where that is possible.
//
// Needed: nats-server 2.9 or newer. Used when there: Chromium, and nats-server 2.10.27 or newer for the tests of replicas.
// Prints nothing when everything is there. Fails only when nats-server is missing and cannot be installed.

import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { natsBinary, onPath, serverCache } from '../test/nats-binaries.ts';

/** Suites of Debian whose nats-server is newer than bookworm's 2.9.10: 2.10.27 in trixie, 2.15.1 or later in sid. */
const NEWER_SUITES = ['trixie', 'sid'];
/** A suite that could not be fetched is not tried again for so long, so that working offline stays quick. */
const RETRY_AFTER = 24 * 60 * 60 * 1000;

const isRoot = process.getuid?.() === 0;
const hasApt = onPath('apt-get') !== undefined;

if (!onPath('chromium') && !install('chromium')) {
  console.warn('pretest: there is no chromium on the path: tests in a browser are skipped.');
}
if (!natsBinary('2.9.0') && !(install('nats-server') && natsBinary('2.9.0'))) {
  console.error(
    'pretest: there is no nats-server 2.9 or newer on the path, and the tests need one. Install it (Debian and Ubuntu: ' +
      '`apt-get install nats-server`; others: https://nats.io/download), or run this as root where apt-get is.',
  );
  process.exit(1);
}
for (const suite of NEWER_SUITES) {
  const reason = fetchServer(suite);
  if (reason) console.warn(`pretest: no nats-server from Debian ${suite}: ${reason}. Tests that need it are skipped.`);
}

/** Installs a Debian package; false where that cannot be done. */
function install(name: string): boolean {
  if (!isRoot || !hasApt) return false;
  console.log(`pretest: installing ${name} with apt-get`);
  const quiet = ['-qq', '-y', '--no-install-recommends', '-o', 'Dpkg::Use-Pty=0'];
  return run('apt-get', 'update', '-qq') === undefined && run('apt-get', 'install', ...quiet, name) === undefined;
}

/**
 * Fetches a suite's nats-server into the cache without touching the system: apt works in a root of its own, on the machine's
 * own source with the name of the suite replaced. Returns why it could not.
 */
function fetchServer(suite: string): string | undefined {
  const home = join(serverCache, suite);
  const failed = join(home, 'failed');
  if (isThere(join(home, 'nats-server'))) return undefined;
  if (isThere(failed) && Date.now() - statSync(failed).mtimeMs < RETRY_AFTER) return readFileSync(failed, 'utf8');
  mkdirSync(home, { recursive: true });
  const root = mkdtempSync(join(tmpdir(), 'apt-'));
  try {
    const reason = download(suite, root) ?? unpack(root, home);
    if (reason) writeFileSync(failed, reason);
    return reason;
  } finally {
    rmSync(root, { recursive: true });
  }
}

function download(suite: string, root: string): string | undefined {
  const source = hasApt && debianSource(suite);
  if (!source) return 'this machine has no apt source of Debian';
  for (const directory of ['sources', 'dpkg', 'lists/partial', 'cache/archives/partial']) {
    mkdirSync(join(root, directory), { recursive: true });
  }
  writeFileSync(join(root, 'dpkg/status'), '');
  writeFileSync(join(root, 'sources/debian.sources'), source);
  const settings = {
    'Dir::State': root,
    'Dir::State::status': join(root, 'dpkg/status'),
    'Dir::State::lists': join(root, 'lists'),
    'Dir::Cache': join(root, 'cache'),
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': join(root, 'sources'),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '0',
    'Acquire::http::Timeout': '10',
    // apt gives up its rights to a user that may not write here.
    'APT::Sandbox::User': 'root',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  console.log(`pretest: fetching nats-server from Debian ${suite}`);
  return (
    runIn(root, 'apt-get', '-qq', ...options, 'update') ??
    runIn(root, 'apt-get', '-qq', ...options, 'download', 'nats-server')
  );
}

function unpack(root: string, home: string): string | undefined {
  const archive = readdirSync(root).find((file) => file.endsWith('.deb'));
  if (!archive) return 'apt-get left no package';
  const reason = runIn(root, 'dpkg', '-x', archive, 'unpacked');
  if (reason) return reason;
  // Beside its place first: nobody may find half a server, and the two may lie on different disks.
  const partial = join(home, `nats-server.${process.pid}`);
  const copied = run('cp', join(root, 'unpacked/usr/sbin/nats-server'), partial);
  if (!copied) renameSync(partial, join(home, 'nats-server'));
  return copied;
}

/** The machine's own source of Debian's main archive, in deb822 form, for another suite. */
function debianSource(suite: string): string | undefined {
  const codename = readIfThere('/etc/os-release').match(/^VERSION_CODENAME=(\w+)$/m)?.[1];
  if (!codename || !/^ID=debian$/m.test(readIfThere('/etc/os-release'))) return undefined;
  const parts = '/etc/apt/sources.list.d';
  const files = isThere(parts) ? readdirSync(parts).map((file) => join(parts, file)) : [];
  for (const file of files.filter((file) => file.endsWith('.sources'))) {
    for (const stanza of readIfThere(file).split(/\n\s*\n/)) {
      const suites = stanza
        .match(/^Suites:(.*)$/m)?.[1]
        ?.trim()
        .split(/\s+/);
      if (suites?.includes(codename)) return `${stanza.replace(/^Suites:.*$/m, `Suites: ${suite}`).trim()}\n`;
    }
  }
  const lists = ['/etc/apt/sources.list', ...files.filter((file) => file.endsWith('.list'))];
  for (const line of lists.flatMap((file) => readIfThere(file).split('\n'))) {
    const [, options = '', address, name] = line.match(/^deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s/) ?? [];
    if (name !== codename) continue;
    const key = options.match(/signed-by=(\S+)/)?.[1];
    return `Types: deb\nURIs: ${address}\nSuites: ${suite}\nComponents: main\n${key ? `Signed-By: ${key}\n` : ''}`;
  }
  return undefined;
}

/** Runs a program; returns the last thing it said when it failed. */
function run(program: string, ...words: string[]): string | undefined {
  return runIn('/', program, ...words);
}

function runIn(directory: string, program: string, ...words: string[]): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stderr, error } = spawnSync(program, words, { cwd: directory, env, encoding: 'utf8' });
  if (status === 0) return undefined;
  return stderr?.trim().split('\n').at(-1) || error?.message || `${program} failed`;
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function readIfThere(path: string): string {
  return isThere(path) ? readFileSync(path, 'utf8') : '';
}
