// Stands in a chart for work that the runtime performs.
import { fromPromise } from 'xstate';

/** Names the input and the output of an invoke; never does anything by itself. */
export const performed = <Output, Input>() => fromPromise<Output, Input>(() => new Promise<Output>(() => {}));
