// A suite of the long tier: rounds that are drawn from a seed, each of which can be played alone.

export interface Suite {
  readonly name: string;
  /** A round that takes longer than so many ms hangs. */
  readonly patience: number;
  /** Why it cannot be played on this machine. */
  readonly without?: string;
  /** Plays the round of a seed. Rejects when what must hold does not, and nothing can be counted. */
  readonly round: (seed: number) => Promise<Round>;
}

export interface Round {
  /** What is summed up over all rounds, e.g. kills, messages acknowledged, lost. */
  readonly counts: Readonly<Record<string, number>>;
  /** What does not hold; undefined when all does. */
  readonly failure?: string;
}
