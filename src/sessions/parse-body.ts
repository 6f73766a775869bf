// The body of a verb, as callers of any interface send it.
import { type Body, bodies, type Verb } from '../../machines/session/events.ts';
import { parse } from '../platform/parse.ts';

/** Throws `Refused('bad_request')` that names each field that is wrong. */
export const parseBody = <V extends Verb>(verb: V, input: unknown): Body<V> =>
  parse(bodies[verb], input ?? {}) as Body<V>;
