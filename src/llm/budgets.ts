// Budgets of sessions, users, agents and tenants for models, each a chart that refuses calls beyond its limit.
import { type Actor, createActor } from 'xstate';
import type { Inspect } from '../../actors/durable.ts';
import type { Spending } from '../../machines/budget/events.ts';
import { budgetMachine } from '../../machines/budget/machine.ts';
import { reached } from '../../machines/budget/rules.ts';
import type { Journal } from '../journal/journal.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { Failed } from '../platform/errors.ts';
import { quiet } from '../platform/quiet.ts';
import type { Budget, Budgets as Limits } from './limits.ts';
import type { ModelScope } from './model.ts';
import { NEAR, spentSince } from './spent.ts';

/** The default window, s. */
const HOUR = 3_600;

/** The identities whose budgets a call counts against. */
export type Spender = Pick<ModelScope, 'tenant' | 'session_id' | 'agent_id'> & { readonly user?: string };

/** The view of a budget. */
export interface BudgetView {
  readonly scope: keyof Limits;
  readonly tenant: string;
  /** The session, user or agent; absent for the tenant's own budget. */
  readonly id?: string;
  readonly state: 'within' | 'spent';
  readonly spent: Spending;
  readonly limit: Omit<Budget, 'window_s'>;
  /** ms since the epoch */
  readonly resets_at: number;
}

export interface BudgetsOptions {
  readonly clock?: Clock;
  /** Maximum of budgets in memory; default 10,000. */
  readonly most?: number;
  /** The journal that holds the sessions. Without it the spending of earlier processes does not count. */
  readonly journal?: Pick<Journal, 'tail'>;
  /** Gets every event and snapshot of every budget. */
  readonly inspect?: Inspect;
}

interface Book {
  readonly scope: keyof Limits;
  readonly tenant: string;
  readonly id: string | undefined;
  readonly limit: Omit<Budget, 'window_s'>;
  readonly chart: Actor<typeof budgetMachine>;
  readonly resets_at: number;
}

/**
 * In memory only: every node of a cluster counts for itself, and a restart resets the budgets of users, agents and
 * tenants. The spending of a session is read back from its journal.
 */
export class Budgets {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #inspect: BudgetsOptions['inspect'];
  /** Budgets with spending in the current window; the others are at 0, and have no entry. */
  readonly #books = new Map<string, Book>();
  readonly #journal: BudgetsOptions['journal'];
  /** Sessions whose journal this process has read. */
  readonly #recalled = new Map<string, Promise<void>>();

  constructor({ clock = realClock, most = 10_000, journal, inspect }: BudgetsOptions = {}) {
    this.#clock = clock;
    this.#journal = journal;
    this.#most = most;
    this.#inspect = inspect;
  }

  /**
   * Counts the session's spending in earlier processes; resolves when that is done. Reads the journal once per session.
   */
  async recall(spender: Spender, { session }: Limits): Promise<void> {
    const [scope] = scopesOf(spender, { session });
    if (!scope || !this.#journal || this.#books.has(scope.key)) return;
    if (this.#recalled.size >= this.#most) this.#recalled.clear();
    const asked = this.#recalled.get(scope.key) ?? this.#read(this.#journal, scope, spender.session_id);
    this.#recalled.set(scope.key, asked);
    await asked;
  }

  /**
   * Counts a call before it is made. Throws `Failed('budget_exceeded')`, and counts nothing, when a budget is spent.
   */
  admit(spender: Spender, limits: Limits): void {
    for (const { key } of scopesOf(spender, limits)) {
      const book = this.#books.get(key);
      if (book && !book.chart.getSnapshot().hasTag('admits')) throw this.#exceeded(book);
    }
    this.spend(spender, limits, { calls: 1 });
  }

  /** Counts the usage of a call. */
  spend(spender: Spender, limits: Limits, spent: Partial<Spending>): void {
    for (const scope of scopesOf(spender, limits)) this.#book(scope).chart.send({ type: 'spend', ...spent });
  }

  /** The spending in the open windows, of one tenant or of all. */
  view(tenant?: string): BudgetView[] {
    return [...this.#books.values()].flatMap((book) => {
      if (tenant !== undefined && book.tenant !== tenant) return [];
      const { scope, id, limit, chart, resets_at } = book;
      const state = chart.getSnapshot();
      const { tokens, cost_usd, calls } = state.context;
      const spent = { tokens, cost_usd, calls };
      const standing = state.hasTag('admits') ? 'within' : 'spent';
      return [
        { scope, tenant: book.tenant, ...(id !== undefined && { id }), state: standing, spent, limit, resets_at },
      ];
    });
  }

  stop(): void {
    for (const { chart } of this.#books.values()) chart.stop();
    this.#books.clear();
  }

  async #read(journal: Pick<Journal, 'tail'>, scope: Scope, session: string): Promise<void> {
    const { window_s = HOUR } = scope.budget;
    const entries = (await journal.tail({ tenant: scope.tenant, session }, NEAR)).map(({ entry }) => entry);
    const before = spentSince(entries, this.#clock.now() - window_s * 1_000);
    if (!before || this.#books.has(scope.key)) return;
    const { since, ...spent } = before;
    this.#book(scope, since).chart.send({ type: 'spend', ...spent });
  }

  #book({ key, scope, tenant, id, budget }: Scope, since = this.#clock.now()): Book {
    const existing = this.#books.get(key);
    if (existing) return existing;
    if (this.#books.size >= this.#most) this.#forgetOne();
    const { window_s = HOUR, ...limit } = budget;
    const resets_at = since + window_s * 1_000;
    const window_ms = resets_at - this.#clock.now();
    const clock = quiet(this.#clock);
    const chart = createActor(budgetMachine, { clock, inspect: this.#inspect, input: { ...limit, window_ms } });
    const book: Book = { scope, tenant, id, limit, chart, resets_at };
    this.#books.set(key, book);
    chart.start();
    // A budget whose window has ended is at 0, so its entry is deleted.
    chart.subscribe((state) => {
      if (!state.matches('fresh')) return;
      chart.stop();
      if (this.#books.get(key) === book) this.#books.delete(key);
    });
    return book;
  }

  /** Evicts the oldest budget that still admits calls: evicting a spent one would let it spend again. */
  #forgetOne(): void {
    const all = [...this.#books];
    const [key, book] = all.find(([, { chart }]) => chart.getSnapshot().hasTag('admits')) ?? all[0]!;
    book.chart.stop();
    this.#books.delete(key);
  }

  #exceeded({ scope, tenant, id, chart, resets_at }: Book): Failed {
    const { context } = chart.getSnapshot();
    const what = reached(context)!;
    const whose = id === undefined ? `tenant "${tenant}"` : `${scope} "${id}"`;
    const retry_after_s = Math.max(1, Math.ceil((resets_at - this.#clock.now()) / 1_000));
    const amount = what === 'cost_usd' ? `$${context.limits.cost_usd}` : `${context.limits[what]} ${what}`;
    const message = `${whose} has spent its ${amount} for models; there is more in ${retry_after_s} s`;
    return new Failed('budget_exceeded', message, false, { retry_after_s, scope });
  }
}

interface Scope {
  readonly key: string;
  readonly scope: keyof Limits;
  readonly tenant: string;
  readonly id: string | undefined;
  readonly budget: Budget;
}

function scopesOf({ tenant, session_id, agent_id, user }: Spender, limits: Limits): Scope[] {
  const ids = { session: session_id, user, agent: agent_id, tenant: undefined };
  return (Object.entries(limits) as [keyof Limits, Budget | undefined][]).flatMap(([scope, budget]) => {
    const id = ids[scope];
    // Callers from outside need not have a session or a user.
    if (!budget || (scope !== 'tenant' && !id)) return [];
    return [{ key: JSON.stringify([scope, tenant, id]), scope, tenant, id, budget }];
  });
}
