// What earlier versions of the job chart have stored, as the version after each has it.
import type { Dump } from '../../actors/durable.ts';
import type { JobContext } from './events.ts';

type Context1 = Omit<JobContext, 'verdict'> & { readonly wait_ms: number };

export const migrate = {
  /** Version 2: a back-off has the attempt policy's verdict. Its timer is owed already, with the time that it was due. */
  '1': ({ value, context, ...rest }: Dump): Dump => {
    const { wait_ms, ...job } = context as Context1;
    const verdict = value === 'backingOff' ? { type: 'again', wait_ms } : null;
    return { ...rest, value, context: { ...job, verdict } };
  },
};
