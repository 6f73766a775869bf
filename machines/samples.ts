// How a chart is described to viewers and to the sandbox: schemas, and examples that the compiler holds to them.
import type { AnyStateMachine, EventFromLogic, InputFrom, OutputFrom, StateMachine } from 'xstate';
import type { z } from 'zod';

/** The schemas and examples of a chart. */
export interface Described {
  /** By type; without the type. */
  readonly events?: Readonly<Record<string, z.ZodType>>;
  readonly input?: z.ZodType;
  /** An input to begin with. */
  readonly sample_input?: unknown;
  /** An event of each type, without the type. */
  readonly samples?: Readonly<Record<string, object>>;
  /** What the work of an invoke may come to, by its `src`. */
  readonly outputs?: Readonly<Record<string, unknown>>;
}

/** The same of a chart of the runtime: nothing is left out, and every example fits. An event without data needs none. */
export interface Samples<M extends AnyStateMachine> extends Described {
  readonly events: Readonly<Record<EventFromLogic<M>['type'], z.ZodType>>;
  readonly sample_input?: InputFrom<M>;
  readonly samples: EventSamples<EventFromLogic<M>>;
  readonly outputs: { readonly [A in ActorOf<M> as A['src']]: OutputFrom<A['logic']> };
}

type Data<E, T> = Omit<Extract<E, { readonly type: T }>, 'type'>;
type EventSamples<E extends { readonly type: string }> = {
  readonly [T in E['type'] as object extends Data<E, T> ? never : T]: Data<E, T>;
} & { readonly [T in E['type'] as object extends Data<E, T> ? T : never]?: Data<E, T> };

type ActorOf<M> =
  M extends StateMachine<any, any, any, infer A, any, any, any, any, any, any, any, any, any, any> ? A : never;

interface Union<T extends string> {
  readonly options: readonly z.ZodObject<{ type: z.ZodLiteral<T> }>[];
}

/** The schemas of a union of events, by type; without the type. */
export const byType = <T extends string>({ options }: Union<T>) =>
  Object.fromEntries<z.ZodType>(options.map((one) => [one.shape.type.value, one.omit({ type: true })])) as Record<
    T,
    z.ZodType
  >;
