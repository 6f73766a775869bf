// What a fact finds in a chart, or a policy, that was broken on purpose.
import { CounterExample } from '../src/testing.ts';

/** The counter-example that `act` throws; fails if it throws none. */
export function caught(act: () => unknown): CounterExample {
  try {
    act();
  } catch (error) {
    if (error instanceof CounterExample) return error;
    throw error;
  }
  throw new Error('what is broken was not caught');
}
