// The cost of a model call, from the endpoint's usage and the prices in the settings.
import { z } from 'zod';
import type { Usage } from '../agents/definition.ts';
import type { Counted } from './assembly.ts';

const usd = z.number('must be a number of US dollars').min(0, 'must not be negative');

/** The price of a model, in US dollars per million tokens. */
export const price = z.strictObject({
  input_per_million: usd,
  output_per_million: usd,
  /** For cached input; default the price of input. */
  cached_input_per_million: usd.optional(),
});
export type Price = z.infer<typeof price>;

export type Prices = Readonly<Record<string, Price>>;

/**
 * The price of a model: of its exact name, or of the longest name that it begins with, up to a dash (`m` is for
 * `m-2026-01-01`).
 */
export function priceOf(prices: Prices, model: string): Price | undefined {
  const names = Object.keys(prices).filter((name) => model === name || model.startsWith(`${name}-`));
  const longest = names.sort((a, b) => b.length - a.length)[0];
  return longest === undefined ? undefined : prices[longest];
}

/** Converts an endpoint's usage, with `cost_usd` when there is a price. */
export function usageOf(counted: Counted, price: Price | undefined): Usage {
  const input_tokens = counted.prompt_tokens ?? 0;
  const output_tokens = counted.completion_tokens ?? 0;
  const total_tokens = counted.total_tokens ?? input_tokens + output_tokens;
  const usage = { input_tokens, output_tokens, total_tokens };
  if (!price) return usage;
  const cached = Math.min(input_tokens, counted.prompt_tokens_details?.cached_tokens ?? 0);
  const { input_per_million, output_per_million, cached_input_per_million = input_per_million } = price;
  const cost =
    (input_tokens - cached) * input_per_million +
    cached * cached_input_per_million +
    output_tokens * output_per_million;
  return { ...usage, cost_usd: cost / 1_000_000 };
}
