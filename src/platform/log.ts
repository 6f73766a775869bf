// The log interface: the subset of pino's that the runtime uses, so that any logger fits.

type LogFunction = (details: object, message: string) => void;

export interface Log {
  readonly debug: LogFunction;
  readonly info: LogFunction;
  readonly warn: LogFunction;
  readonly error: LogFunction;
}

const nothing: LogFunction = () => {};

/** A log that discards everything: the default of an embedded runtime. */
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
