// A value that changes often and is shown once a frame: however many events come, React hears of it at most once per frame.
import { useSyncExternalStore } from 'react';

export class Shown<T> {
  #value: T;
  #scheduled = false;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  /** Sets what is shown from the next frame on. A hidden page has no frames, so there a timer tells. */
  set(value: T): void {
    if (value === this.#value) return;
    this.#value = value;
    if (this.#scheduled) return;
    this.#scheduled = true;
    if (document.hidden) setTimeout(this.#tell, 100);
    else requestAnimationFrame(this.#tell);
  }

  readonly follow = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly #tell = (): void => {
    this.#scheduled = false;
    for (const listener of this.#listeners) listener();
  };
}

/** What is shown now; with `pick`, only a part of it: the component renders when that part changed. */
export function useShown<T>(shown: Shown<T>): T;
export function useShown<T, P>(shown: Shown<T>, pick: (value: T) => P): P;
export function useShown<T, P>(shown: Shown<T>, pick?: (value: T) => P): T | P {
  return useSyncExternalStore(shown.follow, () => (pick ? pick(shown.value) : shown.value));
}
