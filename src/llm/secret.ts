// Secrets at rest: AES-256-GCM under the key of the installation, bound to the tenant that may use them.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Refused } from '../platform/errors.ts';

/** The owner of a secret: `founder`, or a tenant. A secret sealed for one owner cannot be opened for another. */
export type Owner = 'founder' | { readonly tenant: string };

const PREFIX = 'enc:v1:';
const CIPHER = 'aes-256-gcm';
const IV = 12;
const TAG = 16;

export const isSealed = (value: string): boolean => value.startsWith(PREFIX);

/** A new key in the format of `TROUPE_ENCRYPTION_KEY`. */
export const generateKey = (): string => randomBytes(32).toString('base64');

/**
 * Reads a key: 32 bytes in base64 (either alphabet) or hex. Throws `Refused('bad_encryption_key')`, which does not
 * contain it.
 */
export function readKey(text: string): Buffer {
  const written = text.trim();
  const key = Buffer.from(written, /^[0-9a-f]{64}$/i.test(written) ? 'hex' : 'base64');
  if (key.length === 32 && /^[\w+/=-]+$/.test(written)) return key;
  const sentence = `TROUPE_ENCRYPTION_KEY must be 32 bytes in base64 or hex, this is ${written.length} characters`;
  throw new Refused(
    'bad_encryption_key',
    `${sentence} of something else; make one with: troupe encrypt --generate-key`,
  );
}

/** Encrypts: `enc:v1:` and base64url of iv, ciphertext and tag. The same secret encrypts differently every time. */
export function seal(secret: string, key: Buffer, owner: Owner): string {
  const iv = randomBytes(IV);
  const cipher = createCipheriv(CIPHER, key, iv, { authTagLength: TAG }).setAAD(boundTo(owner));
  const sealed = Buffer.concat([iv, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return PREFIX + sealed.toString('base64url');
}

/** Decrypts a value of `seal`. Throws `Refused('bad_secret')` for a wrong key, another owner or a modified value. */
export function unseal(value: string, key: Buffer, owner: Owner): string {
  const bytes = Buffer.from(value.slice(PREFIX.length), 'base64url');
  const whose = owner === 'founder' ? 'the founder' : `tenant "${owner.tenant}"`;
  if (!isSealed(value) || bytes.length < IV + TAG)
    throw new Refused('bad_secret', `a secret of ${whose} is no "${PREFIX}…" value, or is cut off`);
  const [iv, sealed, tag] = [bytes.subarray(0, IV), bytes.subarray(IV, -TAG), bytes.subarray(-TAG)];
  const decipher = createDecipheriv(CIPHER, key, iv, { authTagLength: TAG }).setAAD(boundTo(owner)).setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8');
  } catch {
    throw new Refused(
      'bad_secret',
      `a secret of ${whose} cannot be decrypted: it was encrypted with another TROUPE_ENCRYPTION_KEY or for somebody else`,
    );
  }
}

const boundTo = (owner: Owner): Buffer => Buffer.from(owner === 'founder' ? 'founder' : `tenant:${owner.tenant}`);
