// What earlier versions of the session chart have stored, as the version after each has it.
import type { Dump } from '../../actors/durable.ts';
import type { Run, SessionContext, Transfer } from './events.ts';

/** A run as version 1 had it: the attempt policy's members lay open in it. */
type Run1 = Omit<Run, 'plan' | 'verdict' | 'transfer'> & {
  readonly secondary: readonly string[];
  /** Attempts of the present agent, the one at work included. */
  readonly tries: number;
  readonly tried: readonly string[];
  readonly recoveries: number;
  readonly transfers?: number;
  readonly wait_ms?: number;
  readonly transfer?: Transfer & { readonly secondary: readonly string[] };
};

/** Version 2: the attempts of a run are the attempt policy's plan, and a back-off has its verdict. */
function planned(run: Run1, isBackingOff: boolean): Run {
  const { secondary, tries, tried, recoveries, transfers = 0, wait_ms, transfer, ...rest } = run;
  const { secondary: back, ...kept } = transfer ?? { secondary: undefined };
  const failures = isBackingOff ? tries : Math.max(0, tries - 1);
  return {
    ...rest,
    plan: { failures, tried, next: secondary, recoveries, transfers, ...(back && { back }) },
    // Its timer is owed already, with the time that it was due.
    ...(isBackingOff && { verdict: { type: 'again', wait_ms: wait_ms ?? 0 } }),
    ...(transfer && { transfer: kept as Transfer }),
  };
}

export const migrate = {
  '1': ({ value, context, ...rest }: Dump): Dump => {
    const { run, ...session } = context as Omit<SessionContext, 'run'> & { run: Run1 | null };
    const isBackingOff = JSON.stringify(value).includes('"backingOff"');
    return { ...rest, value, context: { ...session, run: run && planned(run, isBackingOff) } };
  },
};
