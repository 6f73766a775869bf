// How a domain orchestrator is declared: its name and version, what it takes, and the run that calls agents.
import { z } from 'zod';
import { jobSettings } from '../../machines/job/events.ts';
import { token } from '../../machines/session/events.ts';
import { parse } from '../platform/parse.ts';
import type { RunContext } from './context.ts';
import type { EnvelopeRecord } from './envelope.ts';

/** A thin controller over agents: it says who is called with what, and which records come of it. */
export interface OrchestratorDefinition<Payload = unknown> {
  /** A token: `[a-z0-9_-]`, 1 to 63 characters. */
  readonly name: string;
  /** Stands in the envelope of every run. */
  readonly version: string;
  readonly description?: string;
  /** What it takes; a payload that does not fit is refused before anything is called. */
  readonly payload: z.ZodType<Payload>;
  /** What the data of its records must be; any JSON unless told. */
  readonly record?: z.ZodType;
  /** For its jobs: attempts before a job is dead, 3 unless told. */
  readonly attempts?: number;
  /** The longest attempt, ms; 300,000 unless told. */
  readonly timeout_ms?: number;
  /** For its jobs: the first wait between attempts, ms; it doubles up to 5 minutes. 1,000 unless told. */
  readonly backoff_ms?: number;
  /** The records that the run comes to, each made by `ctx.record`. */
  run(payload: Payload, ctx: RunContext): readonly EnvelopeRecord[] | Promise<readonly EnvelopeRecord[]>;
}

/** An orchestrator as `GET /v1/orchestrators` shows it. */
export interface OrchestratorView {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** The JSON schema of what it takes. */
  readonly payload: unknown;
}

const schema = z.custom((value) => value instanceof z.ZodType, 'must be a zod schema');
const declared = z.strictObject({
  name: token,
  version: z.string().min(1).max(100),
  description: z.string().optional(),
  payload: schema,
  record: schema.optional(),
  attempts: jobSettings.shape.attempts.unwrap().optional(),
  timeout_ms: jobSettings.shape.attempt_ms.unwrap().optional(),
  backoff_ms: jobSettings.shape.backoff_ms.unwrap().optional(),
  run: z.custom((value) => typeof value === 'function', 'must be a function'),
});

/**
 * Declares an orchestrator: `defineOrchestrator({ name, version, payload, run })`. The type of `run`'s payload follows from
 * `payload`. Throws `Refused('bad_request')` naming the member that is wrong.
 *
 * @example
 * ```ts
 * import { createTroupe, defineOrchestrator } from 'troupe';
 * import { z } from 'zod';
 *
 * const lead = defineOrchestrator({
 *   name: 'lead',
 *   version: '1',
 *   payload: z.object({ company: z.string() }),
 *   async run({ company }, { call, record }) {
 *     const research = await call('researcher', company, { timeout_ms: 20_000 });
 *     return [record({ company, summary: research.text }, research)];
 *   },
 * });
 * const researcher = { id: 'researcher', run: (company: string) => `${company} bakes bread.` };
 * const troupe = await createTroupe({ agents: [researcher], orchestrators: [lead] });
 * const { records } = await troupe.run('lead', { company: 'Acme' });
 * console.log(records[0]?.data); // { company: 'Acme', summary: 'Acme bakes bread.' }
 * await troupe.close();
 * ```
 */
export function defineOrchestrator<Payload>(
  definition: OrchestratorDefinition<Payload>,
): OrchestratorDefinition<Payload> {
  checkOrchestrator(definition);
  return definition;
}

export function checkOrchestrator(definition: OrchestratorDefinition): void {
  parse(declared, definition, `orchestrator "${definition?.name}"`);
}

export const viewOf = ({ name, version, description = '', payload }: OrchestratorDefinition): OrchestratorView => ({
  name,
  version,
  description,
  payload: z.toJSONSchema(payload, { io: 'input', unrepresentable: 'any' }),
});
