// A catalog of named items; the refusal of an unknown name lists the existing ones.
import { token } from '../../machines/session/events.ts';
import { Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';

/** The public operations on the agents, tools and orchestrators of a runtime (C1). */
export interface Catalog<Item, View> {
  /** Throws `Refused('bad_request')` for an invalid item, `duplicate_…` for a name in use. */
  register(name: string, item: Item): void;
  /** Throws `Refused('unknown_…')`, 404, naming the existing items. */
  get(name: string): Item;
  has(name: string): boolean;
  /** The items as views, by name. */
  list(): View[];
}

export class NamedItems<Item, View> implements Catalog<Item, View> {
  readonly #kind: string;
  readonly #check: (item: Item) => void;
  readonly #view: (item: Item) => View;
  readonly #items = new Map<string, Item>();

  /** `kind` names the items in refusals: `orchestrator`. */
  constructor(kind: string, check: (item: Item) => void, view: (item: Item) => View) {
    this.#kind = kind;
    this.#check = check;
    this.#view = view;
  }

  register(name: string, item: Item): void {
    parse(token, name, `${this.#kind} name`);
    this.#check(item);
    if (this.#items.has(name))
      throw new Refused(`duplicate_${this.#kind}`, `${this.#kind} "${name}" is declared twice`, 409);
    this.#items.set(name, item);
  }

  get(name: string): Item {
    const item = this.#items.get(name);
    if (item) return item;
    throw unknown(this.#kind, name, [...this.#items.keys()]);
  }

  has(name: string): boolean {
    return this.#items.has(name);
  }

  list(): View[] {
    return [...this.#items].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => this.#view(item));
  }
}

/** The refusal of an unknown name. */
export function unknown(kind: string, name: string, known: readonly string[]): Refused {
  const shown = [...known].sort().slice(0, 20).join(', ') || 'none';
  return new Refused(`unknown_${kind}`, `there is no ${kind} "${name}"; there are: ${shown}`, 404);
}
