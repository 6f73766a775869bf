// A journal as a sequence of messages between the user, the session, its agents, their tools and the supervisor.
import type { Emitted } from '../../../src/emitted/emitted.ts';
import type { Entry } from '../../../src/journal/journal.ts';

export const USER = 'user';
export const SESSION = 'session';
export const TOOLS = 'tools';
export const SUPERVISOR = 'supervisor';

/** One arrow. A lane is `user`, `session`, `tools`, `supervisor` or an agent's id with `agent:` before it. */
export interface Row {
  readonly n: number;
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly tone: 'plain' | 'ai' | 'supervisor' | 'tool' | 'bad' | 'time';
}

type Said = Omit<Row, 'n' | 'at'>;

const COMMANDS = new Set(['pause', 'resume', 'takeover', 'release', 'cancel', 'close']);

const known = new WeakMap<Entry, readonly Row[]>();

export const rowsOf = (entries: readonly Entry[]): Row[] => entries.flatMap(rowsOfEntry);

function rowsOfEntry(entry: Entry): readonly Row[] {
  const before = known.get(entry);
  if (before) return before;
  const rows = [...came(entry), ...entry.emitted.flatMap((one) => followed(one))].map(
    (said): Row => ({ ...said, n: entry.n, at: entry.at }),
  );
  known.set(entry, rows);
  return rows;
}

/** The lanes that these rows need, from left to right. */
export function lanesOf(rows: readonly Row[]): string[] {
  const used = new Set(rows.flatMap(({ from, to }) => [from, to]));
  const agents = [...used].filter((lane) => lane.startsWith('agent:'));
  return [USER, SESSION, ...agents, TOOLS, SUPERVISOR].filter(
    (lane) => lane === USER || lane === SESSION || used.has(lane),
  );
}

/** What reached the session. */
function came({ event }: Entry): Said[] {
  const { type, by } = event as { type: string; by?: string };
  if (type === 'message') return [{ from: USER, to: SESSION, text: short(event.content), tone: 'plain' }];
  if (COMMANDS.has(type))
    return [{ from: SUPERVISOR, to: SESSION, text: by ? `${type} (${by})` : type, tone: 'supervisor' }];
  if (type === 'inject')
    return [{ from: SUPERVISOR, to: SESSION, text: `${event.mode}: ${short(event.content)}`, tone: 'supervisor' }];
  if (type === 'approve') return [{ from: SUPERVISOR, to: SESSION, text: String(event.decision), tone: 'supervisor' }];
  if (type === 'tool_result')
    return [{ from: TOOLS, to: SESSION, text: short(event.error ?? event.result), tone: 'tool' }];
  const timer = /^xstate\.after\.([^.]+)/.exec(type);
  if (timer) return [{ from: SESSION, to: SESSION, text: `after ${timer[1]}`, tone: 'time' }];
  if (type === 'recovered' || type === 'fail' || type === 'create')
    return [{ from: SESSION, to: SESSION, text: type, tone: type === 'fail' ? 'bad' : 'time' }];
  return [];
}

/** What the session told. */
function followed(one: Emitted): Said[] {
  const agent = 'agent_id' in one ? `agent:${one.agent_id}` : SESSION;
  switch (one.type) {
    case 'agent_invoke_started':
      return [{ from: SESSION, to: agent, text: `attempt ${one.attempt}`, tone: 'ai' }];
    case 'agent_invoke_done': {
      const { steps: calls = [], asks = 'done', final_message } = one;
      const steps = calls.map(({ name }): Said => ({ from: agent, to: TOOLS, text: short(name), tone: 'tool' }));
      const back: Said = { from: agent, to: SESSION, text: asks, tone: 'ai' };
      if (final_message === undefined) return [...steps, back];
      return [...steps, back, { from: SESSION, to: USER, text: short(final_message), tone: 'ai' }];
    }
    case 'tool_called':
      return [{ from: agent, to: TOOLS, text: short(one.name), tone: 'tool' }];
    case 'tool_finished':
      return [
        { from: TOOLS, to: agent, text: short(one.error ? 'failed' : one.output), tone: one.error ? 'bad' : 'tool' },
      ];
    case 'agent_invoke_failed':
      return [{ from: agent, to: SESSION, text: short(one.message), tone: 'bad' }];
    case 'input_requested':
      return [{ from: SESSION, to: USER, text: short(one.prompt), tone: 'ai' }];
    case 'approval_requested':
      return [{ from: SESSION, to: SUPERVISOR, text: `approve? ${short(one.summary)}`, tone: 'supervisor' }];
    case 'tool_requested':
      return [{ from: SESSION, to: TOOLS, text: `${one.name}?`, tone: 'tool' }];
    case 'supervisor_message':
      return one.mode === 'speak' ? [{ from: SESSION, to: USER, text: short(one.content), tone: 'supervisor' }] : [];
    case 'agent_transferred':
      return [{ from: `agent:${one.from}`, to: `agent:${one.to}`, text: short(one.reason), tone: 'ai' }];
    case 'run_failed':
      return [{ from: SESSION, to: USER, text: `failed: ${short(one.message)}`, tone: 'bad' }];
  }
  return [];
}

const LONGEST = 46;

function short(value: unknown): string {
  const text = (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).replace(/\s+/g, ' ');
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}
