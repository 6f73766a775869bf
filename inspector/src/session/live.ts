// One session as it goes: its journal, then everything that is told from there on.
import { useEffect, useState } from 'react';
import { entriesFrom, Problem, type Standing, standing } from '../api.ts';
import { Shown } from '../frames.ts';
import { type Link, listen } from '../stream.ts';
import { EMPTY, heard, type Model, withEntries } from './model.ts';

export interface Now extends Model {
  readonly link: Link;
  readonly problem?: Problem;
  readonly standing?: Standing;
}

/** Entries read at once. */
const PAGE = 500;
const AGAIN = 1_000;
const TO_BE = new Problem(404, 'unknown_session', 'it comes to be with its first message');

export class LiveSession {
  readonly id: string;
  readonly now = new Shown<Now>({ ...EMPTY, link: 'connecting' });
  #stop = new AbortController();
  #unlisten = (): void => {};
  /** The last entry that was told of. */
  #told = 0;
  #reading = false;

  constructor(id: string) {
    this.id = id;
  }

  /** Follows the session until the function that it returns is called. A session to be is not asked for before `begin`. */
  start(toBe: boolean): () => void {
    this.#stop = new AbortController();
    if (toBe) this.#set({ problem: TO_BE, link: 'refused' });
    else this.begin();
    return () => {
      this.#stop.abort();
      this.#unlisten();
    };
  }

  /** Follows a session that was not there before and may be now. */
  begin(): void {
    void this.#begin(this.#stop.signal);
  }

  async #begin(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const known = await standing(this.id);
        this.#told = known.entry;
        await this.#read(signal);
        if (signal.aborted) return;
        this.#set({ standing: known, problem: undefined });
        this.#listen(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const problem = error instanceof Problem ? error : new Problem(0, 'broken', (error as Error).message);
        this.#set({
          problem: problem.status === 404 ? TO_BE : problem,
          link: problem.status === 404 ? 'refused' : 'waiting',
        });
        if (problem.status === 404) return;
        await new Promise((resolve) => setTimeout(resolve, AGAIN));
      }
    }
  }

  #listen(signal: AbortSignal): void {
    this.#unlisten = listen(`/v1/sessions/${encodeURIComponent(this.id)}/events`, {
      after: String(this.now.value.entries.length),
      frame: ({ event, data }) => {
        if (event === 'overrun') return;
        this.#set(heard(this.now.value, event, data));
        if (event !== 'state_change') return;
        this.#set({ standing: data as Standing });
        // A session of the same name that began anew: what is known is of another one.
        const known = this.now.value.entries[data.entry - 1];
        if (known && known.at !== data.at) this.#set(EMPTY);
        this.#told = Math.max(known ? 0 : this.#told, data.entry);
        this.#catchUp(signal);
      },
      link: (link, problem) => this.#set({ link, problem }),
    });
  }

  /** Reads what was told of; what is told of meanwhile is read in the same go. */
  async #read(signal: AbortSignal): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (!signal.aborted && this.#told > this.now.value.entries.length) {
        const { entries } = await entriesFrom(this.id, this.now.value.entries.length + 1, PAGE);
        if (entries.length === 0) return;
        this.#set(withEntries(this.now.value, entries));
      }
    } finally {
      this.#reading = false;
    }
  }

  /** The same, again and again until the service answers. */
  #catchUp(signal: AbortSignal): void {
    this.#read(signal).catch(() => setTimeout(() => !signal.aborted && this.#catchUp(signal), AGAIN));
  }

  #set(change: Partial<Now>): void {
    this.now.set({ ...this.now.value, ...change });
  }

  /** What a command was answered with: it is true at once, before the stream tells the same. */
  stands(view: Standing): void {
    if (view.entry >= (this.now.value.standing?.entry ?? 0)) this.#set({ standing: view });
    this.#told = Math.max(this.#told, view.entry);
    this.#catchUp(this.#stop.signal);
  }
}

export function useSession(id: string, toBe: boolean): LiveSession {
  const [session] = useState(() => new LiveSession(id));
  // biome-ignore lint/correctness/useExhaustiveDependencies: whether it is to be matters only at first
  useEffect(() => session.start(toBe), [session]);
  return session;
}
