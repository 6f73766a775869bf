// The service's HTTP interface, as this page calls it.

import type { SessionView } from '../../actors/view.ts';
import type { AgentView } from '../../src/agents/agent.ts';
import type { TracedEntry } from '../../src/charts/transitions.ts';
import type { ChartGraph } from '../../src/diagram/graph.ts';
import type { Entry } from '../../src/journal/journal.ts';
import { tenant } from './place.tsx';

/** The service said no, or nothing: what it said, for the person to read. */
export class Problem extends Error {
  override name = 'Problem';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** Asks for JSON. Throws `Problem`. */
export async function ask<T>(method: 'GET' | 'POST', path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { 'x-tenant-id': tenant() };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const sent = body === undefined ? undefined : JSON.stringify(body);
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body: sent, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, 'unreachable', 'The service does not answer.');
  }
  const text = await response.text();
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
  throw problem(response.status, text);
}

export function problem(status: number, text: string): Problem {
  try {
    const { code = 'error', detail = text } = JSON.parse(text) as { code?: string; detail?: string };
    return new Problem(status, code, detail);
  } catch {
    return new Problem(status, 'error', text.slice(0, 200) || `status ${status}`);
  }
}

const at = (session: string, rest = ''): string => `/v1/sessions/${encodeURIComponent(session)}${rest}`;

/** A session as it stands; newer services also say what it accepts and which question is open. */
export type Standing = SessionView & {
  readonly allowed?: readonly string[];
  readonly question?: { readonly id: string; readonly kind: string; readonly [member: string]: unknown } | null;
};

/** One row of the list of sessions. */
export interface Listed {
  readonly session_id: string;
  readonly state: string;
  readonly control: string;
  readonly turn: string | null;
  readonly entry: number;
  readonly updated_at: number;
}

export interface Machine extends ChartGraph {
  readonly origin?: 'troupe' | 'user';
  /** From an event's type to the JSON schema of its body; null when there is none. */
  readonly events?: Readonly<Record<string, unknown>>;
  readonly sample_input?: unknown;
  readonly samples?: Readonly<Record<string, unknown>>;
}

export const standing = (session: string): Promise<Standing> => ask('GET', at(session));
export const command = (session: string, verb: string, body: object): Promise<Standing> =>
  ask('POST', at(session, `/${verb}`), body);
/** Says something as the user. Resolves when it is accepted: what comes of it is heard from the stream. */
export async function say(session: string, content: string): Promise<void> {
  const headers = { 'x-tenant-id': tenant(), 'content-type': 'application/json', accept: 'text/event-stream' };
  const body = JSON.stringify({ content });
  const response = await fetch(at(session, '/messages'), { method: 'POST', headers, body }).catch(() => {
    throw new Problem(0, 'unreachable', 'The service does not answer.');
  });
  if (!response.ok) throw problem(response.status, await response.text());
  await response.body?.cancel();
}

export const fixture = (session: string, n: number): Promise<object> => ask('GET', at(session, `/fixture?to=${n}`));
export const entriesFrom = (session: string, from: number, limit: number): Promise<{ entries: Entry[] }> =>
  ask('GET', at(session, `/journal?from=${from}&limit=${limit}`));
/** The transitions that entry `n` took; null where the service cannot know them. */
export const transitionsOf = (session: string, n: number, signal: AbortSignal): Promise<TracedEntry['transitions']> =>
  ask<{ entries: TracedEntry[] }>(
    'GET',
    at(session, `/journal?from=${n}&limit=1&transitions=true`),
    undefined,
    signal,
  ).then(({ entries }) => entries[0]?.transitions ?? null);
export const listed = (query: Record<string, string>): Promise<{ sessions: Listed[]; next_cursor?: string }> =>
  ask('GET', `/v1/sessions?${new URLSearchParams(query)}`);
export const agents = (): Promise<{ agents: AgentView[] }> => ask('GET', '/v1/agents');

let machines: Promise<Record<string, Machine>> | undefined;

/** Every chart that the service runs; asked for once, for charts do not change while they run. */
export function charts(): Promise<Record<string, Machine>> {
  machines ??= ask<{ machines: Record<string, Machine> }>('GET', '/v1/machines').then((answer) => answer.machines);
  machines.catch(() => {
    machines = undefined;
  });
  return machines;
}
