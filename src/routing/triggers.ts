// Routing by triggers: finds the agent for a message by the phrases that agents declare.

import type { TranscriptMessage } from '../../actors/transcript.ts';
import type { Route } from '../../machines/session/events.ts';
import { wordsOf } from '../platform/words.ts';

export type { Route };

/** An agent as a router sees it. */
export interface Candidate {
  readonly id: string;
  readonly triggers?: readonly string[];
  readonly description?: string;
  readonly capabilities?: readonly string[];
}

export interface RouterContext {
  readonly tenant: string;
  readonly session_id: string;
  readonly agents: readonly Candidate[];
  /** The messages before this one, newest last, with the agent of each; at most `limit`, default 50. */
  readonly history: (limit?: number) => Promise<TranscriptMessage[]>;
}

/** A custom router: a route, `null` if no agent should answer, or `'default'` to defer to the default strategy. */
export type Router = (
  message: string,
  context: RouterContext,
) => Route | null | 'default' | Promise<Route | null | 'default'>;

export const strategies = ['trigger', 'llm', 'hybrid'] as const;

export type RoutingStrategy = (typeof strategies)[number] | Router;

export interface TriggerOptions {
  /** The least confidence that counts as a match. Default 0.5: a whole phrase, or most of the words of one. */
  readonly threshold?: number;
}

/** Routes one message: `compileTriggers(candidates, options)(message)`. Compile once if the same agents see many messages. */
export const routeByTrigger = (
  message: string,
  candidates: readonly Candidate[],
  options?: TriggerOptions,
): Route | null => compileTriggers(candidates, options)(message);

// A whole phrase in the message is worth 0.75 to 1, by its share of the message; scattered words of a phrase less than 0.7, by
// their share of the phrase. The bands do not meet, so every whole phrase beats every scatter of words.
const WHOLE = 0.75;
const SCATTERED = 0.7;

interface Trigger {
  readonly agent: number;
  readonly phrase: string;
  readonly words: readonly number[];
  /** Letters of the phrase's different words. Long words are more specific than short ones, in any language. */
  readonly letters: number;
}

interface Match {
  readonly trigger: Trigger;
  readonly confidence: number;
  /** Count of matched letters: decides between equal confidences. */
  readonly letters: number;
}

/**
 * Builds the index of a set of agents once and returns the function that routes by it: the agent with the best match, or null if
 * no match reaches the threshold.
 *
 * Whole phrases beat scattered words, longer phrases beat shorter ones, and of equals the agent declared first wins. Every other
 * agent that reaches the threshold is in `secondary`, best first. The same message always gets the same route.
 */
export function compileTriggers(
  candidates: readonly Candidate[],
  { threshold = 0.5 }: TriggerOptions = {},
): (message: string) => Route | null {
  const index = new Index(candidates);

  return (message) => {
    const matches = index.match(wordsOf(message)).filter(({ confidence }) => confidence >= threshold);
    if (matches.length === 0) return null;
    // Sorting is stable and matches come in the order of declaration.
    matches.sort((a, b) => b.confidence - a.confidence || b.letters - a.letters);
    const [best, ...others] = matches as [Match, ...Match[]];
    const route = { agent: idOf(best), confidence: rounded(best.confidence), reason: reasonOf(best) };
    return others.length === 0 ? route : { ...route, secondary: others.map(idOf) };
  };

  function idOf({ trigger }: Match): string {
    return candidates[trigger.agent]!.id;
  }
}

function reasonOf({ trigger, confidence, letters }: Match): string {
  if (confidence >= WHOLE) return `the message says "${trigger.phrase}"`;
  return `the message has ${letters === trigger.letters ? 'all the' : 'most'} words of "${trigger.phrase}"`;
}

const rounded = (confidence: number): number => Math.round(confidence * 1000) / 1000;

/** Inverted index: numbers every different word, and lists the triggers that contain it. */
class Index {
  readonly #numbers = new Map<string, number>();
  readonly #letters: number[] = [];
  readonly #triggers: Trigger[] = [];
  /** By word: the triggers that contain it. */
  readonly #having: number[][] = [];
  /** By word: the triggers that begin with it. */
  readonly #beginning: number[][] = [];

  constructor(candidates: readonly Candidate[]) {
    for (const [agent, { triggers = [] }] of candidates.entries()) {
      for (const phrase of triggers) this.#add(agent, phrase);
    }
  }

  /** The best match of each agent that has one, in the order of declaration. */
  match(said: readonly string[]): Match[] {
    const words = said.map((word) => this.#numbers.get(word) ?? -1);
    const best: (Match | undefined)[] = [];
    const offer = (trigger: Trigger, confidence: number, letters: number): void => {
      const known = best[trigger.agent];
      if (known && (known.confidence > confidence || (known.confidence === confidence && known.letters >= letters)))
        return;
      best[trigger.agent] = { trigger, confidence, letters };
    };

    for (const [at, word] of words.entries()) {
      for (const index of this.#beginning[word] ?? []) {
        const trigger = this.#triggers[index]!;
        if (!trigger.words.every((expected, offset) => words[at + offset] === expected)) continue;
        offer(trigger, WHOLE + (1 - WHOLE) * (trigger.words.length / words.length), trigger.letters);
      }
    }

    const letters = new Map<number, number>();
    for (const word of new Set(words)) {
      for (const index of this.#having[word] ?? []) {
        letters.set(index, (letters.get(index) ?? 0) + this.#letters[word]!);
      }
    }
    for (const [index, matched] of letters) {
      const trigger = this.#triggers[index]!;
      offer(trigger, SCATTERED * (matched / trigger.letters), matched);
    }
    return best.filter((match) => match !== undefined);
  }

  #add(agent: number, phrase: string): void {
    const words = wordsOf(phrase).map((word) => this.#number(word));
    if (words.length === 0) return;
    const different = [...new Set(words)];
    const index = this.#triggers.length;
    const letters = different.reduce((sum, word) => sum + this.#letters[word]!, 0);
    this.#triggers.push({ agent, phrase, words, letters });
    this.#beginning[words[0]!]!.push(index);
    for (const word of different) this.#having[word]!.push(index);
  }

  #number(word: string): number {
    const known = this.#numbers.get(word);
    if (known !== undefined) return known;
    const number = this.#letters.push(word.length) - 1;
    this.#numbers.set(word, number);
    this.#having.push([]);
    this.#beginning.push([]);
    return number;
  }
}
