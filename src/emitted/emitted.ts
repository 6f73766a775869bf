// What charts emit: every event that entries keep and that listeners get over SSE, WebSocket and NATS, with its members.
import { z } from 'zod';
import { jobEvents } from './job.ts';
import { sessionEvents } from './session.ts';
import { attemptEvents, type taskEvent } from './task.ts';

export const sessionEvent = z.discriminatedUnion('type', [...sessionEvents, ...attemptEvents]);
export const jobEvent = z.discriminatedUnion('type', jobEvents);

/** Every event that a chart of the runtime emits. */
export const knownEvent = z.discriminatedUnion('type', [sessionEvent, jobEvent]);

/** The schemas of the events in a union of them, one by one. */
export const schemasOf = (schema: z.core.$ZodType): z.ZodObject[] =>
  schema instanceof z.ZodDiscriminatedUnion ? schema.options.flatMap(schemasOf) : [schema as z.ZodObject];

export const typesOf = (schema: z.core.$ZodType): string[] => [
  ...new Set(schemasOf(schema).map(({ shape }) => (shape.type as z.ZodLiteral<string>).value)),
];

/** A type that no chart of the runtime emits. An enum, for only a union whose members all have literal types is narrowed by `type`. */
declare enum OwnType {
  _ = '',
}

/** What an agent's own chart (`kind: 'machine'`) emitted: it passes as it is. The session adds its run, agent and attempt. */
export interface UserEmitted {
  readonly type: OwnType;
  readonly run_id?: string;
  readonly agent_id?: string;
  readonly path?: string;
  readonly [member: string]: unknown;
}

/** What a chart of a task emits. */
export type TaskEmitted = Readonly<z.infer<typeof taskEvent>> | UserEmitted;
/** What the session's chart emits. */
export type SessionEmitted = Readonly<z.infer<typeof sessionEvent>> | UserEmitted;
/** What the job's chart emits. */
export type JobEmitted = Readonly<z.infer<typeof jobEvent>>;
/** An event that a chart emitted for the outside. `type` names it; the rest is its data. */
export type Emitted = SessionEmitted | JobEmitted;

export type EmittedType = z.infer<typeof knownEvent>['type'];
/** One kind of event: `EmittedOf<'run_done'>`. */
export type EmittedOf<T extends EmittedType> = Extract<Emitted, { readonly type: T }>;

type WithoutRun<E> = E extends { readonly run_id: string } ? Omit<E, 'run_id'> & { readonly run_id?: string } : E;
/** What an action about the open run emits: the id of the run is added. */
export type RunEmitted = WithoutRun<SessionEmitted>;
/** What an attempt, a failed run and a call of a tool came to. */
export type AttemptEnd = Pick<EmittedOf<'agent_invoke_done'>, 'asks' | 'final_message' | 'usage' | 'steps'>;
export type RunError = Pick<EmittedOf<'run_failed'>, 'code' | 'message' | 'retry_after_s'>;
/** The events of a job's attempts, and what each of them says beside which attempt it is. */
export type AttemptType = Exclude<JobEmitted['type'], 'job_enqueued'>;
export type AttemptDetails<T extends AttemptType> = Omit<EmittedOf<T>, keyof EmittedOf<'job_started'>>;
export type ToolResult = Pick<EmittedOf<'tool_finished'>, 'output' | 'error'>;

type MembersOf<E> = E extends unknown ? keyof E : never;
type Unknown<X, O> = X extends { readonly type: infer T }
  ? Exclude<keyof X, MembersOf<Extract<O, { type: T }>>>
  : never;
/** What an action emits has only the members of its type: TypeScript checks that of literals, not of what a function returns. */
export type Only<D, O> = D extends { readonly emit?: readonly (infer X)[] }
  ? { readonly emit?: readonly (X extends unknown ? X & { readonly [M in Unknown<X, O>]?: never } : never)[] }
  : unknown;
