// Judges every transcript: each acknowledged message once, each answer once, in the order they were sent.
import { setTimeout as pause } from 'node:timers/promises';
import type { Caller } from './caller.ts';
import type { Said } from './ledger.ts';
import { answerTo } from './script.ts';

export interface Verdict {
  readonly lost: readonly string[];
  readonly duplicated: readonly string[];
  readonly disordered: readonly string[];
}

interface Line {
  readonly role: string;
  readonly content: string;
}

/** Answers that had to wait for a release may take this long, ms. */
const TIMEOUT = 20_000;

/** Reads a session until every acknowledged message has its answer, or `TIMEOUT` is over. */
export async function readBack(caller: Caller, session: string, said: readonly Said[]): Promise<Verdict> {
  for (const end = Date.now() + TIMEOUT; ; await pause(100)) {
    const { status, body } = await caller.get(`/v1/sessions/${session}/messages?view=full`);
    const verdict = judge(session, status === 200 ? (body.messages as Line[]) : [], said);
    if (verdict.lost.length === 0 || Date.now() > end) return verdict;
  }
}

export function judge(session: string, lines: readonly Line[], said: readonly Said[]): Verdict {
  const lost: string[] = [];
  const duplicated: string[] = [];
  const places = (role: string, content: string) =>
    lines.flatMap((line, place) => (line.role === role && line.content === content ? [place] : []));
  const found = said.map((one) => {
    const asked = places('user', one.content);
    const answered = places('assistant', answerTo(session, one.content));
    const what = `"${one.content}" in ${session}`;
    if (one.acknowledged !== undefined && asked.length === 0) lost.push(what);
    if (one.acknowledged !== undefined && answered.length === 0) lost.push(`the answer to ${what}`);
    if (asked.length > 1) duplicated.push(what);
    if (answered.length > 1) duplicated.push(`the answer to ${what}`);
    return { said: one, what, asked: asked[0], answered: answered[0] };
  });
  const kept = found.filter(({ asked }) => asked !== undefined).sort((a, b) => a.asked! - b.asked!);
  const disordered: string[] = [];
  let last = -1;
  let latest = 0;
  for (const { said, what, asked, answered } of kept) {
    // It was sent after another message had been acknowledged, and yet stands before it.
    if ((said.acknowledged ?? Number.POSITIVE_INFINITY) < latest) disordered.push(what);
    latest = Math.max(latest, said.began);
    if (answered === undefined) continue;
    if (answered < asked! || answered < last) disordered.push(`the answer to ${what}`);
    last = Math.max(last, answered);
  }
  return { lost, duplicated, disordered };
}
