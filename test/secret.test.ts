// Secrets at rest: what is sealed can be opened with the key, by its owner, unchanged; and by nobody else.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generateKey, isSealed, type Owner, readKey, seal, unseal } from '../src/llm/secret.ts';
import { troupe } from './cli.ts';

const key = readKey(generateKey());
const owners: Owner[] = ['founder', { tenant: 'acme' }, { tenant: 'founder' }];

describe('a sealed secret', () => {
  test('is opened by its owner, and looks different every time', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(...owners), (secret, owner) => {
        const one = seal(secret, key, owner);
        expect(isSealed(one)).toBe(true);
        expect(one).not.toBe(seal(secret, key, owner));
        expect(unseal(one, key, owner)).toBe(secret);
      }),
    );
  });

  test('is not opened for anybody else, nor with another key', () => {
    for (const owner of owners) {
      const sealed = seal('secret', key, owner);
      for (const other of owners) {
        if (other !== owner) expect(() => unseal(sealed, key, other)).toThrow('cannot be decrypted');
      }
      expect(() => unseal(sealed, readKey(generateKey()), owner)).toThrow('another TROUPE_ENCRYPTION_KEY');
    }
  });

  test('is not opened when a byte of it was changed, or it was cut', () => {
    const sealed = seal('secret', key, 'founder');
    const bytes = Buffer.from(sealed.slice(7), 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(() => unseal(`enc:v1:${changed.toString('base64url')}`, key, 'founder')).toThrow('cannot be decrypted');
      expect(() => unseal(`enc:v1:${bytes.subarray(0, at).toString('base64url')}`, key, 'founder')).toThrow(
        expect.objectContaining({ code: 'bad_secret' }),
      );
    }
  });
});

test('a key is 32 bytes in base64, in its URL alphabet, or in hex, and nothing else', () => {
  const bytes = Buffer.from(generateKey(), 'base64');
  for (const written of [
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    ` ${bytes.toString('hex')}\n`,
  ])
    expect(readKey(written)).toEqual(bytes);
  for (const written of ['', 'x', bytes.subarray(1).toString('hex'), `${bytes.toString('hex')}00`, 'ä'.repeat(44)])
    expect(() => readKey(written)).toThrow(expect.objectContaining({ code: 'bad_encryption_key' }));
});

describe('troupe encrypt', () => {
  const TROUPE_ENCRYPTION_KEY = generateKey();
  const run = (args: string[], input: string[], env: Record<string, string> = { TROUPE_ENCRYPTION_KEY }) =>
    troupe(['encrypt', ...args], input, { env });

  test('prints what the configuration takes, for the founder or for one tenant', async () => {
    for (const [args, owner] of [
      [[], 'founder'],
      [['--tenant', 'acme'], { tenant: 'acme' }],
    ] as [string[], Owner][]) {
      const { code, stdout, stderr } = await run(args, ['sk-secret']);
      expect([code, stderr]).toEqual([0, '']);
      expect(unseal(stdout.trim(), readKey(TROUPE_ENCRYPTION_KEY), owner)).toBe('sk-secret');
    }
  });

  test('makes a key, and says so where there is none', async () => {
    const { stdout } = await run(['--generate-key'], []);
    expect(readKey(stdout)).toHaveLength(32);
    const { code, stderr } = await run([], ['sk-secret'], { TROUPE_ENCRYPTION_KEY: '' });
    expect(code).toBe(1);
    expect(stderr).toContain('troupe encrypt --generate-key (no_encryption_key)');
  });

  test('takes no secret from the command line, nor nothing, nor more than a word', async () => {
    expect((await run(['sk-secret'], [])).code).toBe(2);
    expect((await run([], [])).stderr).toContain('(no_secret)');
    expect((await run([], ['two words'])).stderr).toContain('(bad_secret)');
  });
});
