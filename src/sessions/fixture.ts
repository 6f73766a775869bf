// The fixture format of an exported session: `GET /v1/sessions/{id}/fixture` returns it, and `replay` reads it.
import type { Entry } from '../journal/journal.ts';

export const FORMAT = 'troupe.fixture.v1';

export interface Fixture {
  readonly format: typeof FORMAT;
  readonly session_id: string;
  /** The chart that wrote its last entry, `name@version`. */
  readonly machine: string;
  /** From the first one on, without gaps. */
  readonly entries: readonly Entry[];
}
