// Index of subscriptions: values stored under subject patterns, looked up by subject.

import { ANY, isWild, REST } from './subjects.ts';

interface Branch<T> {
  readonly tokens: Map<string, Branch<T>>;
  /** Values whose pattern ends here. */
  readonly here: Set<T>;
}

/** Patterns without wildcards, the great majority, are in one flat map; only the others are walked token by token. */
export class Interest<T> {
  readonly #exact = new Map<string, Set<T>>();
  readonly #wild: Branch<T> = branch();

  add(pattern: string, value: T): void {
    if (isWild(pattern)) {
      plant(this.#wild, pattern.split('.'), value);
      return;
    }
    const values = this.#exact.get(pattern);
    if (values) values.add(value);
    else this.#exact.set(pattern, new Set([value]));
  }

  remove(pattern: string, value: T): void {
    if (isWild(pattern)) {
      uproot(this.#wild, pattern.split('.'), value);
      return;
    }
    const values = this.#exact.get(pattern);
    if (values?.delete(value) && values.size === 0) this.#exact.delete(pattern);
  }

  /** All values whose pattern matches the subject. */
  match(subject: string): T[] {
    const found = [...(this.#exact.get(subject) ?? [])];
    if (this.#wild.tokens.size > 0) collect(this.#wild, subject.split('.'), 0, found);
    return found;
  }
}

function branch<T>(): Branch<T> {
  return { tokens: new Map(), here: new Set() };
}

function plant<T>(root: Branch<T>, tokens: string[], value: T): void {
  let at = root;
  for (const token of tokens) {
    const next = at.tokens.get(token) ?? branch();
    at.tokens.set(token, next);
    at = next;
  }
  at.here.add(value);
}

function uproot<T>(at: Branch<T>, [token, ...rest]: string[], value: T): void {
  if (token === undefined) {
    at.here.delete(value);
    return;
  }
  const next = at.tokens.get(token);
  if (!next) return;
  uproot(next, rest, value);
  if (next.here.size === 0 && next.tokens.size === 0) at.tokens.delete(token);
}

function collect<T>(at: Branch<T>, tokens: string[], depth: number, found: T[]): void {
  if (depth === tokens.length) {
    found.push(...at.here);
    return;
  }
  const named = at.tokens.get(tokens[depth]!);
  if (named) collect(named, tokens, depth + 1, found);
  const any = at.tokens.get(ANY);
  if (any) collect(any, tokens, depth + 1, found);
  // `>` has nothing below it and matches at least the current token.
  const rest = at.tokens.get(REST);
  if (rest) found.push(...rest.here);
}
