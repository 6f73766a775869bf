// Numbers and times as people read them.

const WHOLE = new Intl.NumberFormat('en');

export const whole = (count: number): string => WHOLE.format(count);

/** `840 ms`, `3.2 s`, `4 min`, `2 h`, `3 d`. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 48 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** The time of day, to the millisecond where that matters. */
export function clock(at: number, fine = false): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return fine ? `${text}.${String(date.getMilliseconds()).padStart(3, '0')}` : text;
}

/** Events that XState names, as people say them. */
export function eventWords(type: string): string {
  return type
    .replace(/^xstate\.done\.actor\.(.+)$/, '$1 done')
    .replace(/^xstate\.error\.actor\.(.+)$/, '$1 failed')
    .replace(/^xstate\.after\.(\d+)\..*$/, (_, ms) => `after ${span(Number(ms))}`)
    .replace(/^xstate\.after\.([^.]+)\..*$/, 'after $1');
}

/** JSON for reading. */
export const pretty = (value: unknown): string => JSON.stringify(value, undefined, 2) ?? 'undefined';
