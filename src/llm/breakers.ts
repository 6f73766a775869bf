// A breaker for each endpoint of models: one that does badly again and again is left alone for a while.
import { type Actor, createActor, type SnapshotFrom } from 'xstate';
import type { Inspect } from '../../actors/durable.ts';
import type { BreakerInput } from '../../machines/breaker/events.ts';
import { breakerMachine } from '../../machines/breaker/machine.ts';
import { recoveryTime } from '../../machines/breaker/rules.ts';
import { outerLevel, stateName } from '../../machines/state-name.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { Failed } from '../platform/errors.ts';
import { quiet } from '../platform/quiet.ts';

/** What says that an endpoint is unwell. That it takes no more calls, or refuses one, does not. */
const UNWELL = new Set(['model_failed', 'model_unreachable', 'model_cut_off', 'timed_out']);

export interface BreakersOptions {
  readonly clock?: Clock;
  readonly limits?: BreakerInput;
  /** At most so many endpoints are kept in mind; 1,000 unless told. */
  readonly most?: number;
  /** Sees every breaker's actor. */
  readonly inspect?: Inspect;
}

/** An endpoint as it is shown. */
export interface EndpointBreaker {
  readonly endpoint: string;
  readonly breaker: 'closed' | 'open' | 'halfOpen';
}

interface Guarded {
  readonly breaker: Actor<typeof breakerMachine>;
  openedAt: number;
}

/** Tells the breaker how a call ended; without an error it went well. */
export type Ended = (error?: unknown) => void;

/** Kept in this process: a restart forgets what was learnt. */
export class Breakers {
  readonly #clock: Clock;
  readonly #limits: BreakerInput;
  readonly #most: number;
  readonly #inspect: Inspect | undefined;
  readonly #guarded = new Map<string, Guarded>();

  constructor({ clock = realClock, limits = {}, most = 1_000, inspect }: BreakersOptions = {}) {
    this.#clock = clock;
    this.#limits = limits;
    this.#most = most;
    this.#inspect = inspect;
  }

  /** Lets a call through. Throws `Failed('model_unavailable')`, with when to try again, while the breaker is open. */
  admit(endpoint: string): Ended {
    const guarded = this.#guarded.get(endpoint) ?? this.#guard(endpoint);
    const { breaker } = guarded;
    const state = breaker.getSnapshot();
    if (!state.hasTag('admits')) throw unavailable(endpoint, this.#readyIn(guarded, state));
    breaker.send({ type: 'call.started' });
    const admission = state.context.opened;
    const started = this.#clock.now();
    return (error) => {
      if (error === undefined) breaker.send({ type: 'call.succeeded', admission, ms: this.#clock.now() - started });
      else if (error instanceof Failed && UNWELL.has(error.code))
        breaker.send({ type: 'call.failed', admission, code: error.code });
      else breaker.send({ type: 'call.abandoned', admission });
    };
  }

  view(): EndpointBreaker[] {
    return [...this.#guarded].map(([endpoint, { breaker }]) => ({ endpoint, breaker: stateOf(breaker.getSnapshot()) }));
  }

  stop(): void {
    for (const { breaker } of this.#guarded.values()) breaker.stop();
    this.#guarded.clear();
  }

  #guard(endpoint: string): Guarded {
    const [oldest] = this.#guarded;
    if (oldest && this.#guarded.size >= this.#most) {
      oldest[1].breaker.stop();
      this.#guarded.delete(oldest[0]);
    }
    const breaker = createActor(breakerMachine, {
      clock: quiet(this.#clock),
      inspect: this.#inspect,
      input: this.#limits,
    });
    const guarded = { breaker, openedAt: 0 };
    let opened = 0;
    breaker.subscribe(({ context }) => {
      if (context.opened > opened) guarded.openedAt = this.#clock.now();
      opened = context.opened;
    });
    breaker.start();
    this.#guarded.set(endpoint, guarded);
    return guarded;
  }

  #readyIn({ openedAt }: Guarded, state: SnapshotFrom<typeof breakerMachine>): number {
    if (!state.matches('open')) return 1;
    return Math.max(1, Math.ceil((openedAt + recoveryTime(state.context) - this.#clock.now()) / 1_000));
  }
}

const stateOf = ({ value }: SnapshotFrom<typeof breakerMachine>): EndpointBreaker['breaker'] =>
  outerLevel(stateName(value)) as EndpointBreaker['breaker'];

const unavailable = (endpoint: string, retry_after_s: number): Failed =>
  new Failed('model_unavailable', `${endpoint} has failed too often; it is tried again in ${retry_after_s} s`, true, {
    retry_after_s,
  });
