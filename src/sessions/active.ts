// The agents at work for a tenant: its open runs, on any node.
import type { Orchestrator } from '../../actors/orchestrator.ts';
import { type SessionView, view, viewOf } from '../../actors/view.ts';
import { isSession, type Journal } from '../journal/journal.ts';

/** An agent at work on a run (B4, B9). */
export interface ActiveAgent {
  readonly session_id: string;
  readonly run_id: string;
  readonly agent_id: string | null;
  readonly status:
    | 'initializing'
    | 'waiting_for_input'
    | 'waiting_for_approval'
    | 'waiting_for_tool'
    | 'running'
    | 'paused';
}

/** The open runs, at most about `limit` of each kind; runs that wait for an answer may be passivated. */
export async function activeAgents(
  { orchestrator, journal }: { readonly orchestrator: Orchestrator; readonly journal: Journal },
  tenant: string,
  limit: number,
): Promise<ActiveAgent[]> {
  const resident = orchestrator.sessions().filter(({ key }) => key.tenant === tenant && isSession(key));
  const views = new Map(resident.map((session) => [session.key.session, view(session)]));
  for (const state of ['running', 'suspended'])
    for (const { key } of await journal.rows({ tenant, state, limit })) {
      const stored = views.has(key.session) || !isSession(key) ? undefined : await journal.last(key);
      if (stored) views.set(key.session, viewOf(key.session, stored.entry.snapshot, stored.entry.n));
    }
  return [...views.values()].flatMap((one) =>
    one.run === null
      ? []
      : [{ session_id: one.session_id, run_id: one.run.run_id, agent_id: one.run.agent_id, status: statusOf(one) }],
  );
}

function statusOf({ turn }: SessionView): ActiveAgent['status'] {
  if (turn === 'running.awaitingInput') return 'waiting_for_input';
  if (turn === 'running.awaitingApproval') return 'waiting_for_approval';
  if (turn === 'running.awaitingClientTool') return 'waiting_for_tool';
  if (turn === 'suspended') return 'paused';
  return turn?.startsWith('running') ? 'running' : 'initializing';
}
