// The declaration of an orchestrator: its name and version, its input schema, and the run that calls agents.
import { z } from 'zod';
import { jobSettings } from '../../machines/job/events.ts';
import { token } from '../../machines/session/events.ts';
import { parse } from '../platform/parse.ts';
import type { RunContext } from './context.ts';
import type { EnvelopeRecord } from './envelope.ts';

/** A thin controller over agents: decides which agent gets which input, and which records follow. */
export interface OrchestratorDefinition<Payload = unknown> {
  /** A token: `[a-z0-9_-]`, 1 to 63 characters. */
  readonly name: string;
  /** Written into the envelope of every run. */
  readonly version: string;
  readonly description?: string;
  /** Schema of its input; a payload that does not fit is refused before any call. */
  readonly payload: z.ZodType<Payload>;
  /** Schema of its records' data. Default: any JSON. */
  readonly record?: z.ZodType;
  /** Attempts before a job is dead. Default 3. */
  readonly attempts?: number;
  /** Timeout of one attempt, ms. Default 300,000. */
  readonly timeout_ms?: number;
  /** First back-off between attempts of a job, ms; it doubles up to 5 minutes. Default 1,000. */
  readonly backoff_ms?: number;
  /** Returns the records of the run, each made by `ctx.record`. */
  run(payload: Payload, ctx: RunContext): readonly EnvelopeRecord[] | Promise<readonly EnvelopeRecord[]>;
}

/** An orchestrator as `GET /v1/orchestrators` shows it. */
export interface OrchestratorView {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** JSON Schema of its input. */
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
 * `payload`. Throws `Refused('bad_request')` naming the invalid member.
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
