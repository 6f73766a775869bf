// Plays a transcript: a story of the whole system as text, carried out on a troupe and compared with what happens.

import type { Journal } from '../journal/journal.ts';
import { memoryJournal } from '../journal/memory.ts';
import { SteppedClock } from '../platform/clock.ts';
import { Refused } from '../platform/errors.ts';
import type { SessionHandle } from '../sessions/handle.ts';
import { createTroupe, Troupe, type TroupeOptions } from '../troupe.ts';
import { difference } from './play/difference.ts';
import { directionOf } from './play/directions.ts';
import { dedent, milliseconds, readScript, type ScriptLine } from './play/script.ts';
import { indented, linesOf, TELLING } from './play/telling.ts';
import type { ScriptedAgent } from './scripted.ts';

/** The transcript differs from what happened. */
export class AnotherStory extends Error {
  override name = 'AnotherStory';
  /** The transcript of what happened. */
  readonly happened: string;

  constructor(expected: string, happened: string) {
    super(`the story goes another way (- as written, + as it happened):\n${difference(expected, happened)}`);
    this.happened = happened;
  }
}

/**
 * Carries out the directions of a transcript one after the other, each until nothing more happens, and writes the events that
 * listeners receive between them. Resolves to the transcript; rejects with `AnotherStory` if it differs from the given one.
 *
 * Directions: `user: …`, `user(agent=, flow=, key=): …`; `supervisor(ann)` followed by ` takes over`, ` takes over for 5m`,
 * `: …` (speaks), ` whispers: …`, ` notes: …`, ` releases`, ` pauses`, ` pauses at once`, ` resumes`, ` approves`,
 * ` rejects: …`, ` cancels`, ` closes`; `client returns: {…}`, `client fails: …`; `agent(helper) goes on` (the next delta of
 * a scripted answer); `advance 5s`; `restart` (the process dies, another one wakes over the same journal). Questions, which
 * are answered in place: `state: …`, `history(full):`, `history(llm):`. A prefix `acme/s2> ` names a line's tenant and
 * session. Continuation lines are indented; `#` begins a comment.
 *
 * @example
 * ```ts
 * import { held, play, scripted } from 'troupe/testing';
 *
 * const helper = scripted('helper', ['Hello!', held('Well …')], { triggers: ['hi', 'how are you'] });
 * await play({ agents: [helper] }, `
 *   user: hi
 *   assistant: Hello!
 *   user: how are you?
 *   supervisor(ann) takes over for 5m
 *   suspended
 *   state: human.heldUntil/suspended
 * `);
 * ```
 */
export async function play(on: TroupeOptions | Troupe, transcript: string): Promise<string> {
  const stage = on instanceof Troupe ? new Stage(on) : await Stage.of(on);
  try {
    const happened = await stage.play(readScript(transcript));
    const written = dedent(transcript);
    if (happened !== written) throw new AnotherStory(written, happened);
    return happened;
  } finally {
    await stage.end();
  }
}

/** Tenant and session of lines without a prefix. */
const USUAL = 'default/s1';
/** Turns of the event loop without an event after which nothing more is expected. */
const QUIET = 3;

class Stage {
  readonly #lines: string[] = [];
  readonly #sessions = new Map<string, { readonly handle: SessionHandle; heard: number }>();
  readonly #begin: (() => Promise<Troupe>) | undefined;
  #listening = new AbortController();
  /** Messages whose callers wait for an outcome. */
  #waiting = new Map<object, string>();
  #troupe: Troupe;
  /** Count of events so far. */
  #moves = 0;

  constructor(troupe: Troupe, begin?: () => Promise<Troupe>) {
    this.#troupe = troupe;
    this.#begin = begin;
  }

  static async of(options: TroupeOptions): Promise<Stage> {
    const { clock = new SteppedClock(), journal = memoryJournal() } = options;
    const begin = () => createTroupe({ random: () => 0, ...options, clock, journal: unclosed(journal) });
    return new Stage(await begin(), begin);
  }

  async play(script: readonly ScriptLine[]): Promise<string> {
    for (const line of script) {
      const { words } = line;
      if (words === '' || words.startsWith('#')) this.#lines.push(line.text);
      else if (await this.#carryOut(line)) await this.#settle();
      else if (!TELLING.test(words)) throw new Error(`line ${line.number} is nothing that can be played: ${words}`);
    }
    for (const name of this.#waiting.values()) this.#write(name, 'unanswered');
    return this.#lines.join('\n');
  }

  async end(): Promise<void> {
    this.#listening.abort();
    if (this.#begin) await this.#troupe.close();
  }

  /** Carries out one line; false if it is no direction. */
  async #carryOut({ text, words, session: name = USUAL }: ScriptLine): Promise<boolean> {
    const [, question, view] = /^(state|history)(?:\((full|llm)\))?:/.exec(words) ?? [];
    if (question) {
      const { handle } = this.#session(name);
      if (question === 'state') this.#write(name, `state: ${await stateOf(this.#troupe, handle)}`);
      else this.#write(name, await historyOf(handle, view as 'full' | 'llm'));
      return true;
    }
    const [, agent] = /^agent\(([a-z0-9_-]+)\) goes on$/.exec(words) ?? [];
    const [, time] = /^advance (\S+)$/.exec(words) ?? [];
    const act = directionOf(words);
    if (!(agent || time || words === 'restart' || act)) return false;
    this.#lines.push(text);
    if (agent) this.#scripted(name, agent).step();
    else if (time) await this.#advance(milliseconds(time));
    else if (words === 'restart') await this.#restart();
    else if (act) this.#direct(name, act);
    return true;
  }

  /** Does not await `act`: a message may be answered much later. */
  #direct(name: string, act: (session: SessionHandle) => Promise<unknown>): void {
    const waiting = this.#waiting;
    const token = {};
    waiting.set(token, name);
    const tell = (line: string): void => {
      if (waiting === this.#waiting) this.#write(name, line);
    };
    act(this.#session(name).handle)
      .then(
        (came) => {
          const { status, state } = came as { status?: string; state?: { control: string } };
          if (status === 'accepted') tell(`kept: ${state?.control}`);
        },
        (error: unknown) => {
          if (!(error instanceof Refused)) throw error;
          tell(`refused: ${error.code}: ${error.message}`);
        },
      )
      .finally(() => waiting.delete(token));
  }

  #scripted(name: string, id: string): ScriptedAgent {
    const found = this.#troupe.pool.get(this.#session(name).handle.key.tenant, id)?.definition;
    if (found && 'step' in found) return found as ScriptedAgent;
    throw new Error(`there is no scripted agent "${id}"`);
  }

  /** Advances from timer to timer, because a timer may set the next one. */
  async #advance(ms: number): Promise<void> {
    const { clock } = this.#troupe.orchestrator;
    if (!(clock instanceof SteppedClock)) throw new Error('to advance, the troupe needs a SteppedClock');
    const end = clock.now() + ms;
    for (let due = clock.next(); due !== undefined && due <= end; due = clock.next()) {
      clock.advance(due - clock.now());
      await this.#settle();
    }
    clock.advance(end - clock.now());
  }

  async #restart(): Promise<void> {
    if (!this.#begin) throw new Error('to restart, play with options instead of a troupe');
    this.#listening.abort();
    this.#listening = new AbortController();
    // The process dies, so callers that wait for an outcome lose their connection.
    this.#waiting = new Map();
    await this.#troupe.close();
    this.#troupe = await this.#begin();
    const heard = [...this.#sessions].map(([name, session]) => [name, session.heard] as const);
    this.#sessions.clear();
    for (const [name, n] of heard) this.#session(name, n);
  }

  #session(name: string, heard = 0): { readonly handle: SessionHandle; heard: number } {
    const known = this.#sessions.get(name);
    if (known) return known;
    const [tenant, id] = name.includes('/') ? (name.split('/') as [string, string]) : ['default', name];
    const session = { handle: this.#troupe.session(id, { tenant }), heard };
    this.#sessions.set(name, session);
    void this.#listen(name, session);
    return session;
  }

  async #listen(name: string, session: { readonly handle: SessionHandle; heard: number }): Promise<void> {
    for await (const item of session.handle.events({ after: session.heard, signal: this.#listening.signal })) {
      this.#moves += 1;
      if (item.type === 'entry') session.heard = item.entry.n;
      for (const line of linesOf(item)) this.#write(name, line);
    }
  }

  #write(name: string, line: string): void {
    this.#moves += 1;
    this.#lines.push(name === USUAL ? line : `${name}> ${line}`);
  }

  /** Resolves when no event follows. Everything here runs in this process, so a few turns of the event loop suffice. */
  async #settle(): Promise<void> {
    for (let quiet = 0, moves = this.#moves; quiet < QUIET; quiet += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      if (moves === this.#moves) continue;
      moves = this.#moves;
      quiet = -1;
    }
  }
}

/** The journal without `close`, so that it survives the process that dies. */
const unclosed = (journal: Journal): Journal =>
  new Proxy(journal, {
    get(target, name) {
      if (name === 'close') return async () => {};
      const member = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });

async function stateOf({ orchestrator }: Troupe, { key }: SessionHandle): Promise<string> {
  return (await orchestrator.find(key))?.position.state ?? 'unknown';
}

async function historyOf(session: SessionHandle, view: 'full' | 'llm'): Promise<string> {
  const messages = await session.history(view);
  const lines = messages.map(({ role, by, mode, content }) => {
    const who = role === 'supervisor' ? `${role}(${by}, ${mode})` : role;
    return `\n${who}: ${indented(content)}`;
  });
  return indented(`history(${view}):${lines.join('')}`);
}
