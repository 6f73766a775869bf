// How an action is written that changes the context and emits events: one pure function says both.
import { type EventObject, enqueueActions, type MachineContext } from 'xstate';
import type { Emitted, Only, TaskEmitted } from '../src/emitted/emitted.ts';

/** What an action does: the members of the context that it changes, and the events that it emits, in their order. */
export interface Done<C, O> {
  readonly assign?: Partial<C>;
  readonly emit?: readonly O[];
}

/** `decide` sees the context as it was before the action. */
export const action =
  <C extends MachineContext, E extends EventObject, O extends Emitted | TaskEmitted>() =>
  <D extends Done<C, O>>(decide: (args: { readonly context: C; readonly event: E }) => D & Only<D, O>) =>
    enqueueActions<C, E, undefined, E, never, never, never, never, O>(({ context, event, enqueue }) => {
      const { assign, emit = [] } = decide({ context, event });
      if (assign) enqueue.assign(assign);
      for (const one of emit) enqueue.emit(one);
    });
