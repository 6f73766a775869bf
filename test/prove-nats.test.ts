// The proof of failover where NATS servers die as well: three nodes, three servers, and a leader that is killed under load.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { holds, proveFailover } from '../src/prove/failover.ts';
import { neededServer } from '../src/prove/nats-binaries.ts';
import { isSpokenAfter } from '../src/prove/takeovers.ts';
import { compareVersions, natsBinaries, natsBinary } from './nats-binaries.ts';

const without = natsBinary('2.10.27')
  ? ''
  : ': there is no nats-server 2.10.27 or newer; `npm run pretest` fetches one';

describe.skipIf(without !== '')(`the proof with NATS servers that are killed${without}`, () => {
  test('holds when the leader of the journal dies, and when another server does', { timeout: 240_000 }, async () => {
    const options = { nodes: 3, kills: 0, nats_kills: 2, sessions: 40, callers: 6, seed: 7 };
    let struck = 0;
    const count = () => {
      struck += 1;
    };
    const proof = await proveFailover(options, { struck: count, reading() {}, read() {} });
    expect(proof).toMatchObject({ lost: [], duplicated: [], disordered: [], failed: [], spoken: 0 });
    expect(proof.servers.map(({ leader }) => leader)).toEqual([true, false]);
    // How long that took is for the proof to judge: beside other tests an election may take longer than it must.
    for (const { served_ms } of proof.servers) expect(served_ms).toBeGreaterThan(0);
    expect(struck).toBe(2);
    // Whoever was waiting when the leader died was answered by what the next one remembered.
    expect(proof.recovery.server.count).toBeGreaterThan(0);
  });
});

describe('the proof does not hold', () => {
  const verdict = { lost: [], duplicated: [], disordered: [], refused: [], failed: [], spoken: 0, acknowledged: 1 };
  const served = (served_ms: number | null) =>
    holds({ ...verdict, servers: [{ server: 's1', leader: true, served_ms }] } as never);

  test('when nobody was served for longer than ten seconds after a server died', () => {
    expect([served(9_000), served(10_001), served(null)]).toEqual([true, false, false]);
  });
});

describe('a word that is heard after a takeover', () => {
  const late = { attempt: 's-r1#1', end: 8, heard: 1_050, acknowledged: 1_000, shown: false };

  test('was spoken after it when it was said later, when nobody knows when it was said, or when the listener knew better', () => {
    expect(
      isSpokenAfter(late, [
        [5, 900],
        [9, 1_000],
      ]),
    ).toBe(true);
    expect(isSpokenAfter(late, [[5, 900]])).toBe(true);
    expect(isSpokenAfter(late, undefined)).toBe(true);
    expect(isSpokenAfter({ ...late, shown: true }, [[9, 900]])).toBe(true);
  });

  test('was only on its way when it had been said before', () => {
    expect(
      isSpokenAfter(late, [
        [5, 900],
        [9, 999],
      ]),
    ).toBe(false);
  });
});

describe('the server that is used', () => {
  const old = natsBinaries().find(({ version }) => compareVersions(version, '2.10.27') < 0);

  test('is refused with its version and the way out when it is named and too old', ({ skip }) => {
    if (!old) return skip('every nats-server here is new enough');
    const named = () => neededServer('2.10.27', 'clusters', { ...process.env, NATS_SERVER: old.path });
    expect(named).toThrow(
      `${old.path} is nats-server ${old.version}, and clusters need 2.10.27 or newer; say where one is with NATS_SERVER`,
    );
    const bin = fileURLToPath(new URL('../bin/troupe.js', import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [bin, 'prove', 'failover', '--nats-kills', '1'], {
      encoding: 'utf8',
      env: { ...process.env, NATS_SERVER: old.path },
    });
    expect(status).toBe(1);
    expect(stderr).toContain(`is nats-server ${old.version}`);
    expect(stderr).not.toContain('    at ');
  });

  test('is refused when what was named is no nats-server', () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-test-'));
    const path = join(folder, 'nats-server');
    writeFileSync(path, '#!/bin/sh\necho hello\n', { mode: 0o755 });
    try {
      expect(() => neededServer('2.9.0', 'nodes', { NATS_SERVER: path })).toThrow('which is no nats-server');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
