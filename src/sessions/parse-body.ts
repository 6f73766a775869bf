// Parses the body of a verb, for every interface.
import { type Body, bodies, type Verb } from '../../machines/session/events.ts';
import { parse } from '../platform/parse.ts';

/** Throws `Refused('bad_request')` that names each invalid field. */
export const parseBody = <V extends Verb>(verb: V, input: unknown): Body<V> =>
  parse(bodies[verb], input ?? {}) as Body<V>;
