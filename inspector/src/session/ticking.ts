// The time, for what counts down.
import { useEffect, useState } from 'react';

/** The time of this moment, ms since the epoch; told again every `every` ms. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
