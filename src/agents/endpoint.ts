// One instance of an agent on this node: its chart, its breaker, and the books of its calls.
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

/** How an endpoint is declared to the pool. */
export interface EndpointDefinition {
  /** A token, unique among the agent's endpoints; heartbeats name it as `instance_id`. */
  readonly id: string;
  readonly perform: Performer;
  /** Only shown; without user, password and query. */
  readonly url?: string;
  /** Its share under `weighted_round_robin`; 1 unless told. */
  readonly weight?: number;
  /** Calls it takes at once, over which it is not picked; no limit unless told. */
  readonly capacity?: number;
  /** Asks whether it is well; rejects when it is not. Called only while health checks are on. */
  readonly check?: (signal: AbortSignal) => Promise<void>;
  /** It sends heartbeats every so many seconds: until the first one it is only probed. */
  readonly heartbeat_s?: number;
}

/** What an instance says of itself; also the body of `…agent.<agent>.heartbeat` and `POST /v1/agents/{id}/heartbeat`. */
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
  /** Milliseconds between health checks; not set: there are none. */
  readonly check_ms?: number;
  readonly inspect?: Inspect;
  /** Called after any change of the chart or the breaker. */
  readonly changed?: () => void;
}

/** How good a pick it is: `good`, `doubtful` (only when nobody better is left), or `out` (not at all). */
export type Standing = 'good' | 'doubtful' | 'out';

/** What a call is given when it begins and brings back when it ends. */
export interface Ticket {
  readonly started: number;
  readonly admission: number;
}

// How long the chart may believe an endpoint idle that is busy, or busy that is idle. Nothing is decided by that difference,
// and a call to a function is over sooner: telling the chart twice would cost more than the call.
const TOLD_WITHIN_MS = 5;

export class Endpoint {
  readonly definition: EndpointDefinition;
  readonly metrics = new Metrics();
  readonly chart: Actor<typeof endpointMachine>;
  readonly breaker: Actor<typeof breakerMachine>;
  /** Calls of this node that are running here. The chart learns of it when it matters. */
  inFlight = 0;
  lastCheck: number | undefined;
  lastError: { readonly code: string; readonly message: string; readonly at: number } | undefined;
  #state: SnapshotFrom<typeof endpointMachine>;
  #breakerState: SnapshotFrom<typeof breakerMachine>;
  #openedAt = 0;
  #told: Load;
  #telling: unknown;
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
    this.#told = loadOf(this.#state.context);
    this.chart.subscribe((state) => {
      this.#state = state;
      this.#told = loadOf(state.context);
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

  /** Calls running there, ours and as far as known others'. */
  get load(): number {
    return this.inFlight + this.#state.context.others;
  }

  get standing(): Standing {
    if (!this.#breakerState.hasTag('admits')) return 'out';
    if (this.#state.hasTag('pickable')) return 'good';
    return this.#state.hasTag('doubtful') ? 'doubtful' : 'out';
  }

  /** As `standing`, but blind to how many calls are running: an endpoint that is full is well. */
  get healthy(): boolean {
    return this.#state.matches('available') && this.breakerState !== 'open';
  }

  get probing(): boolean {
    return this.#state.matches('probing');
  }

  /** Milliseconds until it is worth asking again, or undefined when nothing says so. */
  get readyIn(): number | undefined {
    if (this.breakerState === 'open')
      return Math.max(0, this.#openedAt + recoveryTime(this.#breakerState.context) - this.#clock.now());
    if (this.#state.matches('available')) return 1_000;
    return this.#state.matches('unavailable') ? this.#state.context.interval_ms : undefined;
  }

  begin(): Ticket {
    this.inFlight += 1;
    this.metrics.requests += 1;
    // Closed, the breaker does not count calls as they start: only trials are limited.
    if (this.#breakerState.matches('halfOpen')) this.#judge({ type: 'call.started' });
    this.#loadChanged();
    return { started: this.#clock.now(), admission: this.#breakerState.context.opened };
  }

  /** `cost_usd`: what the call reported to have cost. Returns how long it took, in ms. */
  succeeded({ started, admission }: Ticket, cost_usd?: number): number {
    const ms = this.#clock.now() - started;
    this.metrics.succeeded(ms);
    // A closed breaker with nothing counted would stay as it is: it is not told.
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

  /** The run left: that says nothing about the endpoint. */
  abandoned({ started, admission }: Ticket): number {
    this.#leftTrial(admission);
    this.#ended(false);
    return this.#clock.now() - started;
  }

  heartbeat({ in_flight, capacity, interval_s }: Heartbeat): void {
    this.#tell();
    this.lastCheck = this.#clock.now();
    this.#report({ type: 'heartbeat', in_flight, capacity, interval_s });
  }

  checked(error?: Failed): void {
    this.lastCheck = this.#clock.now();
    if (error) this.lastError = { code: error.code, message: error.message, at: this.lastCheck };
    this.#report({ type: error ? 'probe.failed' : 'probe.succeeded' });
  }

  /** Tells the chart of idle and busy now: whoever looks shall see it as it is. */
  catchUp(): void {
    this.#tell();
  }

  /** Takes no more calls; gone when those running have ended. */
  drain(): void {
    this.#tell();
    this.#report({ type: 'drain' });
  }

  /** Ends its actors and timers at once. */
  stop(): void {
    this.#stopped = true;
    this.#clock.clearTimeout(this.#telling);
    this.#telling = undefined;
    this.chart.stop();
    this.breaker.stop();
  }

  #leftTrial(admission: number): void {
    if (this.#breakerState.matches('halfOpen')) this.#judge({ type: 'call.abandoned', admission });
  }

  #ended(ok: boolean): void {
    this.inFlight -= 1;
    // An answer is as good as a probe for one whose health is in doubt.
    if (ok && this.#state.hasTag('doubtful')) this.#report({ type: 'call.ended', in_flight: this.inFlight, ok });
    else this.#loadChanged();
  }

  // Saturation decides who is picked, so the chart hears of it at once; of idle and busy soon, if it is still so then.
  #loadChanged(): void {
    const load = loadOf(this.#state.context, this.inFlight);
    if (load === this.#told || this.#stopped) return;
    if (load === 'saturated' || this.#told === 'saturated') this.#tell();
    else this.#telling ??= this.#clock.setTimeout(this.#tellLate, TOLD_WITHIN_MS);
  }

  // Calls may end after their endpoint is gone; then there is nobody left to tell.
  #report(event: EndpointEvent): void {
    if (!this.#stopped) this.chart.send(event);
  }

  #judge(event: BreakerEvent): void {
    if (!this.#stopped) this.breaker.send(event);
  }

  readonly #tellLate = (): void => {
    this.#telling = undefined;
    this.#tell();
  };

  #tell(): void {
    const { in_flight } = this.#state.context;
    if (in_flight === this.inFlight) return;
    this.#report({ type: in_flight < this.inFlight ? 'call.started' : 'call.ended', in_flight: this.inFlight });
  }
}

// Not retryable, but the endpoint's doing all the same: it speaks wrongly, or refuses us whatever we ask.
const ITS_OWN_FAULT = new Set([
  ...['bad_answer', 'empty_answer', 'answer_too_large'],
  ...['agent_http_401', 'agent_http_403', 'agent_http_404', 'agent_http_405'],
]);

/** Whether a failure says that the endpoint is unwell; otherwise it refused the request, and would another's too. */
const saysUnwell = (error: Failed): boolean => error.retryable || ITS_OWN_FAULT.has(error.code);
