// What the boxes and arrows of a chart look at besides their place.
import { createContext, useContext } from 'react';
import type { ChartProps } from './chart.tsx';

export type Lights = ChartProps;

const Context = createContext<Lights | undefined>(undefined);

export const Lit = Context.Provider;

export function useLights(): Lights {
  const lights = useContext(Context);
  if (!lights) throw new Error('a part of a chart stands outside of it');
  return lights;
}
