// The fleet as it moves: the census from the stream of events, everything slower from a look now and then.
import { useEffect, useState } from 'react';
import type { Way } from '../../../src/fleet/figures.ts';
import type { Step } from '../../../src/fleet/fleet.ts';
import type { FleetView } from '../../../src/fleet/nodes.ts';
import { ask, type Problem } from '../api.ts';
import { Shown } from '../frames.ts';
import { type Link, listen } from '../stream.ts';
import { moved, type States } from './census.ts';

export interface Moment {
  readonly states: States;
  readonly link: Link;
  readonly problem?: Problem;
  /** Steps since the page began to listen, for a rate. */
  readonly steps: number;
}

/** Steps that the tape keeps. */
const TAPE = 40;
/** Between two looks at what the stream does not tell, ms. */
const LOOK = 2_000;

export class Fleet {
  readonly moment = new Shown<Moment>({ states: {}, link: 'connecting', steps: 0 });
  readonly tape = new Shown<readonly Step[]>([]);
  readonly view = new Shown<FleetView | undefined>(undefined);

  /** Listens until the function that it returns is called. */
  start(): () => void {
    const stop = listen('/v1/events', {
      frame: ({ event, data }) => {
        const now = this.moment.value;
        if (event === 'census') this.moment.set({ ...now, states: data.states });
        if (event !== 'moves') return;
        const moves = data.moves as readonly Way[];
        const steps = moves.reduce((sum, { count }) => sum + count, now.steps);
        this.moment.set({ ...now, states: moved(now.states, moves), steps });
        const entries = data.entries as readonly Step[];
        if (entries.length > 0) this.tape.set([...this.tape.value, ...entries].slice(-TAPE));
      },
      link: (link, problem) => this.moment.set({ ...this.moment.value, link, problem }),
    });
    const left = new AbortController();
    void this.#look(left.signal);
    return () => {
      stop();
      left.abort();
    };
  }

  async #look(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // A hidden page looks again when it is seen; a service that is away is told of by the stream.
      if (!document.hidden || !this.view.value)
        await ask<FleetView>('GET', '/v1/fleet', undefined, signal).then(
          (view) => this.view.set(view),
          () => {},
        );
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
  }
}

export function useFleet(): Fleet {
  const [fleet] = useState(() => new Fleet());
  useEffect(() => fleet.start(), [fleet]);
  return fleet;
}
