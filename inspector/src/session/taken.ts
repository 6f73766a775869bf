// The transitions that the entry in view took: the service takes its step again and says.
import { useEffect, useState } from 'react';
import type { TracedEntry } from '../../../src/charts/transitions.ts';
import type { Entry } from '../../../src/journal/journal.ts';
import { transitionsOf } from '../api.ts';

/** An entry that is in view for less is not asked about, ms. */
const SETTLED = 50;

export type Taken = TracedEntry['transitions'] | undefined;

/** Undefined until the service answers; null when it cannot know. */
export function useTaken(session: string, entry: Entry | undefined): Taken {
  const [known, setKnown] = useState<{ readonly entry: Entry; readonly transitions: Taken }>();
  useEffect(() => {
    if (!entry) return;
    const abort = new AbortController();
    const ask = () =>
      transitionsOf(session, entry.n, abort.signal).then(
        (transitions) => setKnown({ entry, transitions }),
        // The heading shows that the service is not reached; the chart is drawn without its last arrows.
        () => {},
      );
    const timer = setTimeout(ask, SETTLED);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [session, entry]);
  return known?.entry === entry ? known?.transitions : undefined;
}
