// What the runtime says to its operators: the part of pino's interface that it uses, so that any logger fits.

type LogFunction = (details: object, message: string) => void;

export interface Log {
  readonly debug: LogFunction;
  readonly info: LogFunction;
  readonly warn: LogFunction;
  readonly error: LogFunction;
}

const nothing: LogFunction = () => {};

/** Says nothing: the default of an embedded runtime. */
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
