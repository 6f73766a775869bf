// One instance of an agent on this node: its chart, its breaker, and the metrics of its calls.
import { type Actor, createActor, type SnapshotFrom } from 'xstate';
import type { Inspect } from '../../actors/durable.ts';
import type { Performer } from '../../actors/performer.ts';
import type { BreakerEvent, BreakerInput } from '../../machines/breaker/events.ts';
import { breakerMachine } from '../../machines/breaker/machine.ts';
import { recoveryTime, wouldCount } from '../../machines/breaker/rules.ts';
import type { EndpointEvent } from '../../machines/endpoint/events.ts';
import { endpointMachine } from '../../machines/endpoint/machine.ts';
import { type Load, loadOf } from '../../machines/endpoint/rules.ts';
import { outerLevel, stateName } from '../../machines/state-name.ts';
import type { Clock } from '../platform/clock.ts';
import type { Failed } from '../platform/errors.ts';
import { Metrics } from './metrics.ts';

/** The declaration of an endpoint to the pool. */
export interface EndpointDefinition {
  /** A token, unique among the agent's endpoints; heartbeats name it as `instance_id`. */
  readonly id: string;
  readonly perform: Performer;
  /** For display only; without user, password and query. */
  readonly url?: string;
  /** Its share under `weighted_round_robin`; default 1. */
  readonly weight?: number;
  /** Maximum of concurrent calls, beyond which the pool does not pick it; default no limit. */
  readonly capacity?: number;
  /** A health check; rejects when the endpoint is unhealthy. Called only while health checks are on. */
  readonly check?: (signal: AbortSignal) => Promise<void>;
  /** The interval of its heartbeats, s: until the first one it counts as doubtful. */
  readonly heartbeat_s?: number;
}

/** An instance's heartbeat; also the body of `…agent.<agent>.heartbeat` and `POST /v1/agents/{id}/heartbeat`. */
export interface Heartbeat {
  readonly instance_id: string;
  readonly in_flight?: number;
  readonly capacity?: number;
  readonly interval_s?: number;
  readonly ts?: number | string;
}

export interface EndpointSettings {
  readonly clock: Clock;
  readonly breaker?: BreakerInput;
  /** Milliseconds between health checks; without it there are none. */
  readonly check_ms?: number;
  readonly inspect?: Inspect;
  /** Called after any change of the chart or the breaker. */
  readonly changed?: () => void;
}

/** The health tier of an endpoint: `good`, `doubtful` (picked only when none is good), or `out` (never picked). */
export type Standing = 'good' | 'doubtful' | 'out';

/** Issued when a call begins, and returned when it ends. */
export interface Ticket {
  readonly started: number;
  readonly admission: number;
}

// For how long the chart may have an endpoint as idle that is busy, or the reverse, ms. No decision depends on that
// difference, and a call of a function ends sooner: sending two events to the chart would cost more than the call.
const REPORTED_WITHIN_MS = 5;

export class Endpoint {
  readonly definition: EndpointDefinition;
  readonly metrics = new Metrics();
  readonly chart: Actor<typeof endpointMachine>;
  readonly breaker: Actor<typeof breakerMachine>;
  /** Calls of this node that are running here. The chart gets the number when it matters. */
  inFlight = 0;
  lastCheck: number | undefined;
  lastError: { readonly code: string; readonly message: string; readonly at: number } | undefined;
  #state: SnapshotFrom<typeof endpointMachine>;
  #breakerState: SnapshotFrom<typeof breakerMachine>;
  #openedAt = 0;
  #reportedLoad: Load;
  #reporting: unknown;
  #stopped = false;
  readonly #clock: Clock;

  constructor(definition: EndpointDefinition, settings: EndpointSettings) {
    const { clock, inspect, changed } = settings;
    const { capacity, heartbeat_s } = definition;
    const checked = definition.check !== undefined && settings.check_ms !== undefined;
    const watched = checked || heartbeat_s !== undefined;
    const interval_ms = heartbeat_s === undefined ? settings.check_ms : heartbeat_s * 1000;
    this.definition = definition;
    this.#clock = clock;
    this.chart = createActor(endpointMachine, { clock, inspect, input: { watched, capacity, interval_ms } });
    this.breaker = createActor(breakerMachine, { clock, inspect, input: settings.breaker ?? {} });
    this.#state = this.chart.start().getSnapshot();
    this.#breakerState = this.breaker.start().getSnapshot();
    this.#reportedLoad = loadOf(this.#state.context);
    this.chart.subscribe((state) => {
      this.#state = state;
      this.#reportedLoad = loadOf(state.context);
      changed?.();
    });
    this.breaker.subscribe((state) => {
      if (state.context.opened > this.#breakerState.context.opened) this.#openedAt = clock.now();
      this.#breakerState = state;
      changed?.();
    });
  }

  get id(): string {
    return this.definition.id;
  }

  /** The chart's states, outermost first: `available.busy`. */
  get state(): string {
    return stateName(this.#state.value);
  }

  get breakerState(): 'closed' | 'open' | 'halfOpen' {
    return outerLevel(stateName(this.#breakerState.value)) as 'closed' | 'open' | 'halfOpen';
  }

  get capacity(): number | undefined {
    return this.#state.context.capacity;
  }

  /** Calls running there: this node's, and other nodes' as far as heartbeats report them. */
  get load(): number {
    return this.inFlight + this.#state.context.others;
  }

  get standing(): Standing {
    if (!this.#breakerState.hasTag('admits')) return 'out';
    if (this.#state.hasTag('pickable')) return 'good';
    return this.#state.hasTag('doubtful') ? 'doubtful' : 'out';
  }

  /** As `standing`, but regardless of the number of running calls: a saturated endpoint is healthy. */
  get healthy(): boolean {
    return this.#state.matches('available') && this.breakerState !== 'open';
  }

  get probing(): boolean {
    return this.#state.matches('probing');
  }

  /** Milliseconds until a call may succeed again, or undefined when that is unknown. */
  get readyIn(): number | undefined {
    if (this.breakerState === 'open')
      return Math.max(0, this.#openedAt + recoveryTime(this.#breakerState.context) - this.#clock.now());
    if (this.#state.matches('available')) return 1_000;
    return this.#state.matches('unavailable') ? this.#state.context.interval_ms : undefined;
  }

  begin(): Ticket {
    this.inFlight += 1;
    this.metrics.requests += 1;
    // A closed breaker does not count calls as they start: only trials are limited.
    if (this.#breakerState.matches('halfOpen')) this.#judge({ type: 'call.started' });
    this.#loadChanged();
    return { started: this.#clock.now(), admission: this.#breakerState.context.opened };
  }

  /** `cost_usd` is the cost that the call reported. Returns the duration of the call, ms. */
  succeeded({ started, admission }: Ticket, cost_usd?: number): number {
    const ms = this.#clock.now() - started;
    this.metrics.succeeded(ms);
    // A success does not change a closed breaker without counted failures, so no event is sent to it.
    if (!this.#breakerState.matches('closed') || wouldCount(this.#breakerState.context, ms, cost_usd))
      this.#judge({ type: 'call.succeeded', admission, ms, cost_usd });
    this.#ended(true);
    return ms;
  }

  failed({ started, admission }: Ticket, error: Failed): number {
    const counts = saysUnwell(error);
    this.metrics.failed(counts);
    this.lastError = { code: error.code, message: error.message, at: this.#clock.now() };
    if (counts) this.#judge({ type: 'call.failed', admission, code: error.code });
    else this.#leftTrial(admission);
    this.#ended(false);
    return this.#clock.now() - started;
  }

  /** Ends a call whose run has left its state, which says nothing about the endpoint's health. */
  abandoned({ started, admission }: Ticket): number {
    this.#leftTrial(admission);
    this.#ended(false);
    return this.#clock.now() - started;
  }

  heartbeat({ in_flight, capacity, interval_s }: Heartbeat): void {
    this.#reportLoad();
    this.lastCheck = this.#clock.now();
    this.#report({ type: 'heartbeat', in_flight, capacity, interval_s });
  }

  checked(error?: Failed): void {
    this.lastCheck = this.#clock.now();
    if (error) this.lastError = { code: error.code, message: error.message, at: this.lastCheck };
    this.#report({ type: error ? 'probe.failed' : 'probe.succeeded' });
  }

  /** Sends the pending load to the chart now, before a view reads it. */
  catchUp(): void {
    this.#reportLoad();
  }

  /** Accepts no more calls; gone when the running ones have ended. */
  drain(): void {
    this.#reportLoad();
    this.#report({ type: 'drain' });
  }

  /** Stops its actors and timers at once. */
  stop(): void {
    this.#stopped = true;
    this.#clock.clearTimeout(this.#reporting);
    this.#reporting = undefined;
    this.chart.stop();
    this.breaker.stop();
  }

  #leftTrial(admission: number): void {
    if (this.#breakerState.matches('halfOpen')) this.#judge({ type: 'call.abandoned', admission });
  }

  #ended(ok: boolean): void {
    this.inFlight -= 1;
    // An answer of a doubtful endpoint is as good as a probe.
    if (ok && this.#state.hasTag('doubtful')) this.#report({ type: 'call.ended', in_flight: this.inFlight, ok });
    else this.#loadChanged();
  }

  // Saturation affects the choice of endpoints, so the chart gets it at once; idle and busy only after a delay, if they
  // last.
  #loadChanged(): void {
    const load = loadOf(this.#state.context, this.inFlight);
    if (load === this.#reportedLoad || this.#stopped) return;
    if (load === 'saturated' || this.#reportedLoad === 'saturated') this.#reportLoad();
    else this.#reporting ??= this.#clock.setTimeout(this.#reportLate, REPORTED_WITHIN_MS);
  }

  // Calls may end after their endpoint has stopped.
  #report(event: EndpointEvent): void {
    if (!this.#stopped) this.chart.send(event);
  }

  #judge(event: BreakerEvent): void {
    if (!this.#stopped) this.breaker.send(event);
  }

  readonly #reportLate = (): void => {
    this.#reporting = undefined;
    this.#reportLoad();
  };

  #reportLoad(): void {
    const { in_flight } = this.#state.context;
    if (in_flight === this.inFlight) return;
    this.#report({ type: in_flight < this.inFlight ? 'call.started' : 'call.ended', in_flight: this.inFlight });
  }
}

// Codes that are not retryable but count against the endpoint: it violates the protocol, or refuses every request.
const ITS_OWN_FAULT = new Set([
  ...['bad_answer', 'empty_answer', 'answer_too_large'],
  ...['agent_http_401', 'agent_http_403', 'agent_http_404', 'agent_http_405'],
]);

/** Whether a failure counts against the endpoint; otherwise it refused the request, as another endpoint would. */
const saysUnwell = (error: Failed): boolean => error.retryable || ITS_OWN_FAULT.has(error.code);
