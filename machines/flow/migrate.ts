// What earlier versions of the flow chart have stored, as the version after each has it.
import type { Dump } from '../../actors/durable.ts';
import { begin } from '../attempt/policy.ts';
import type { FlowContext, Step } from './events.ts';

type Step1 = Omit<Step, 'plan'> & { readonly tries: number; readonly tried: string[] };

export const migrate = {
  /** Version 2: the attempts of a step are the attempt policy's plan. */
  '1': ({ context, ...rest }: Dump): Dump => {
    const { steps, ...flow } = context as Omit<FlowContext, 'steps'> & { steps: Step1[] };
    const planned = steps.map(({ tries, tried, ...step }) => {
      const plan = { ...begin(), failures: tries, tried, ...(step.back && { back: [] }) };
      return { ...step, plan };
    });
    return { ...rest, context: { ...flow, steps: planned } };
  },
};
