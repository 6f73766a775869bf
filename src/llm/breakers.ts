// A circuit breaker for each endpoint of models.
import { type Actor, createActor, type SnapshotFrom } from 'xstate';
import type { Inspect } from '../../actors/durable.ts';
import type { BreakerInput } from '../../machines/breaker/events.ts';
import { breakerMachine } from '../../machines/breaker/machine.ts';
import { recoveryTime } from '../../machines/breaker/rules.ts';
import { outerLevel, stateName } from '../../machines/state-name.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { Failed } from '../platform/errors.ts';
import { quiet } from '../platform/quiet.ts';

/** Failures that count against an endpoint. A rate limit or a refused request does not. */
const UNWELL = new Set(['model_failed', 'model_unreachable', 'model_cut_off', 'timed_out']);

export interface BreakersOptions {
  readonly clock?: Clock;
  readonly limits?: BreakerInput;
  /** Maximum of endpoints with a breaker; default 1,000. */
  readonly most?: number;
  /** Sees every breaker's actor. */
  readonly inspect?: Inspect;
}

/** The view of an endpoint. */
export interface EndpointBreaker {
  readonly endpoint: string;
  readonly breaker: 'closed' | 'open' | 'halfOpen';
}

interface Guarded {
  readonly breaker: Actor<typeof breakerMachine>;
  openedAt: number;
}

/** Reports the end of a call to the breaker; a call without an error succeeded. */
export type Ended = (error?: unknown) => void;

/** In memory only: the breakers of a new process are closed. */
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

  /** Admits a call. Throws `Failed('model_unavailable')`, with `retry_after_s`, while the breaker is open. */
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
