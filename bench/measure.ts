// How the bench measures: two things side by side in one run, several rounds, medians, and their ratio.

/** Microseconds that one of `count` operations takes, done by `go`. */
export async function perOperation(count: number, go: () => unknown): Promise<number> {
  const began = process.hrtime.bigint();
  await go();
  return Number(process.hrtime.bigint() - began) / 1_000 / count;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** Both sides in turn, `rounds` times, so that whatever the machine does besides meets both. */
export async function sideBySide(
  rounds: number,
  ours: () => Promise<number>,
  floor: () => Promise<number>,
): Promise<{ ours: number; floor: number }> {
  const mine: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    bare.push(await floor());
    mine.push(await ours());
  }
  return { ours: median(mine), floor: median(bare) };
}

/** One line of the result. `target` says what must hold, `holds` whether it did. */
export interface Figure {
  readonly name: string;
  readonly ours: number;
  readonly floor: number;
  readonly unit: string;
  readonly ratio: number;
  readonly target: string;
  readonly holds: boolean;
  /** What dominates the cost. */
  readonly cost: string;
}

export const say = (text: string): void => {
  if (!process.argv.includes('--json')) console.log(text);
};

export function row({ name, ours, floor, unit, ratio, target, holds, cost }: Figure): string {
  const digits = (value: number) => (value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));
  return `${holds ? '✓' : '✗'} ${name}\n    ours ${digits(ours)} ${unit}, floor ${digits(floor)} ${unit}: ratio ${ratio.toFixed(2)} (target ${target})\n    ${cost}`;
}
