// A clock whose timers do not keep the process alive, e.g. for an endpoint's next health check.
import type { Clock } from './clock.ts';

interface Unreferable {
  unref?(): void;
}

/** The same clock with unreferenced timers, as far as they are Node's. */
export const quiet = (clock: Clock): Clock => ({
  now: () => clock.now(),
  setTimeout: (fn, ms) => {
    const timer = clock.setTimeout(fn, ms) as (Unreferable & { readonly timer?: Unreferable }) | number;
    if (typeof timer === 'object') (timer.timer ?? timer).unref?.();
    return timer;
  },
  clearTimeout: (timer) => clock.clearTimeout(timer),
});
