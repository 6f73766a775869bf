// A digest of a JSON value that does not depend on the order of its members.
import { createHash } from 'node:crypto';

/** `sha256:` and the digest of the value as JSON with sorted members. Throws `TypeError` if the value is not JSON. */
export const digestOf = (value: unknown): string =>
  `sha256:${createHash('sha256')
    .update(JSON.stringify(value, inOrder) ?? 'null')
    .digest('hex')}`;

const inOrder = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;
