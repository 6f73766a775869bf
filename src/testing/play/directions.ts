// The directions of a transcript: what people do to a session, and how it is written.
import type { SessionHandle } from '../../sessions/handle.ts';
import { milliseconds } from './script.ts';

type Direction = readonly [
  written: RegExp,
  act: (session: SessionHandle, ...said: (string | undefined)[]) => Promise<unknown>,
];

const WHO = 'supervisor\\(([^)]+)\\)';
const by = (rest: string): RegExp => new RegExp(`^${WHO}${rest}$`, 's');

const directions: readonly Direction[] = [
  [/^user(?:\(([^)]*)\))?: (.+)$/s, (session, options, content) => session.send(content!, sendOptions(options))],
  [
    by(' takes over(?: for (\\S+))?'),
    (session, who, time) => session.takeOver({ by: who!, ...(time && { deadline_ms: milliseconds(time) }) }),
  ],
  [by(': (.+)'), (session, who, content) => session.inject({ by: who!, content: content!, mode: 'speak' })],
  [by(' whispers: (.+)'), (session, who, content) => session.inject({ by: who!, content: content!, mode: 'whisper' })],
  [by(' notes: (.+)'), (session, who, content) => session.inject({ by: who!, content: content!, mode: 'note' })],
  [by(' releases'), (session, who) => session.release({ by: who })],
  [by(' pauses'), (session, who) => session.pause({ by: who, mode: 'drain' })],
  [by(' pauses at once'), (session, who) => session.pause({ by: who, mode: 'interrupt' })],
  [by(' resumes'), (session, who) => session.resume({ by: who })],
  [by(' cancels'), (session, who) => session.cancel({ by: who })],
  [by(' closes'), (session, who) => session.close({ by: who })],
  [
    by(' (approve|reject)s(?:: (.+))?'),
    async (session, who, decision, reason) =>
      session.approve({
        by: who!,
        approval: await question(session),
        decision: decision as 'approve' | 'reject',
        reason,
      }),
  ],
  [
    /^client returns: (.+)$/s,
    async (session, result) => session.toolResult({ call: await question(session), result: JSON.parse(result!) }),
  ],
  [/^client fails: (.+)$/s, async (session, error) => session.toolResult({ call: await question(session), error })],
];

/** The act that a line directs; undefined if it is no direction. */
export function directionOf(words: string): ((session: SessionHandle) => Promise<unknown>) | undefined {
  for (const [written, act] of directions) {
    const match = written.exec(words);
    if (match) return (session) => act(session, ...match.slice(1));
  }
  return;
}

/** The open question's id, which a decision answers; with `none` the session refuses with a reason. */
const question = async (session: SessionHandle): Promise<string> => (await session.state()).run?.question ?? 'none';

const OPTIONS: Record<string, string | undefined> = { agent: 'agent_id', flow: 'flow', key: 'idempotencyKey' };

/** `agent=billing, key=k1` as the options of `send`. */
function sendOptions(written = ''): Record<string, string> {
  const pairs = written.split(',').filter((pair) => pair.trim() !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', value = ''] = pair.split('=').map((part) => part.trim());
      const option = OPTIONS[name];
      if (!option) throw new Error(`user(${written}): "${name}" is none of ${Object.keys(OPTIONS).join(', ')}`);
      return [option, value];
    }),
  );
}
