// `troupe agents`: lists the agents and the health of each endpoint.
import { Command } from 'commander';
import type { AgentView } from '../agents/agent.ts';
import { type AccessOptions, accessOptions, serviceOf } from './access.ts';
import { table } from './table.ts';

const HEADS = ['AGENT', 'KIND', 'STATE', 'ENDPOINT', 'HEALTH', 'BREAKER', 'BUSY', 'CALLS', 'SUCCESS', 'P50', 'P95'];

export const agents = accessOptions(new Command('agents'))
  .description('list the agents with their endpoints, breakers and latencies')
  .option('--json', 'for programs')
  .action(async ({ json, ...access }: AccessOptions & { json?: true }) => {
    const { agents } = await (await serviceOf(access)).get<{ agents: AgentView[] }>('/v1/agents');
    if (json) console.log(JSON.stringify(agents, null, 2));
    else if (agents.length === 0) console.log('No agent is declared or registered.');
    else console.log(table(HEADS, agents.flatMap(rowsOf)));
  });

/** One row per endpoint; the agent's own columns stand on the first. */
function rowsOf({ agent_id, kind, state, endpoints }: AgentView): (string | number)[][] {
  if (endpoints.length === 0) return [[agent_id, kind, state]];
  return endpoints.map((endpoint, index) => {
    const { id, url, breaker, in_flight, requests, success_rate, latency_ms } = endpoint;
    const own = index === 0 ? [agent_id, kind, state] : ['', '', ''];
    const success = requests === 0 ? '–' : `${Math.round(success_rate * 100)} %`;
    return [
      ...own,
      url ?? id,
      endpoint.state,
      breaker,
      in_flight,
      requests,
      success,
      ...[latency_ms.p50, latency_ms.p95].map(ms),
    ];
  });
}

const ms = (time: number | null): string => (time === null ? '–' : `${Math.round(time)} ms`);
