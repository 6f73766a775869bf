// The troupe that plays recorded conversations: an agent for each service, with the words that users turn to it with.
// The file is named by the environment: DIALOGUES.

import { parseRunId } from '../../actors/transcript.ts';
import type { AgentFunction, FunctionAgent } from '../../src/agents/definition.ts';
import { type Candidate, compileTriggers, type Route, type Router } from '../../src/routing/triggers.ts';
import type { TroupeOptions } from '../../src/troupe.ts';
import { type Dialogue, readDialogues } from './recorded.ts';

/** Words in reply to other words: where "sounds good" belongs depends on what was offered. */
const inReply = (before: string, text: string): string => `${before} … ${text}`;

/** The agents declare what their users say, alone and in reply to what was said before. */
function agentsOf(dialogues: readonly Dialogue[]): FunctionAgent[] {
  const triggers = new Map<string, Set<string>>();
  for (const { exchanges } of dialogues)
    for (const [index, { agent, text }] of exchanges.entries()) {
      const phrases = triggers.get(agent) ?? new Set();
      triggers.set(agent, phrases.add(text));
      if (index > 0) phrases.add(inReply(exchanges[index - 1]!.answer, text));
    }
  return [...triggers].map(([id, phrases]) => ({ id, triggers: [...phrases], run: answerOf(id, dialogues) }));
}

/** What was answered then, for an agent that is asked about its own service; a run is one turn of the user. */
function answerOf(agent: string, dialogues: readonly Dialogue[]): AgentFunction {
  const recorded = new Map(dialogues.map(({ session, exchanges }) => [session, exchanges]));
  return (_, { call }) => {
    const exchange = recorded.get(call.session_id)?.[parseRunId(call.run_id)!.n - 1];
    return exchange?.agent === agent ? exchange.answer : `${agent} was not asked this`;
  };
}

/**
 * By trigger: the agent to whom the whole message is a phrase. Of several, the one to whom it is one in reply to what the
 * user was told last; of several still ("anything else?" – "no"), the one that said it.
 */
function router(): Router {
  let claimants: ((text: string) => Route[]) | undefined;
  return async (message, { agents, history }) => {
    claimants ??= compile(agents);
    const alone = claimants(message);
    if (alone.length < 2) return alone[0] ?? null;
    const [last] = await history(1);
    if (!last) return 'default';
    const replies = claimants(inReply(last.content, message));
    const own = replies.find(({ agent }) => agent === last.agent_id);
    const route = replies.length === 1 ? replies[0]! : (own ?? null);
    return route && { ...route, reason: `in reply: ${route.reason}` };
  };
}

function compile(agents: readonly Candidate[]): (text: string) => Route[] {
  const matches = agents.map((agent) => compileTriggers([agent], { threshold: 1 }));
  return (text) => matches.map((match) => match(text)).filter((route) => route !== null);
}

const dialogues = readDialogues(process.env.DIALOGUES!);

export default { agents: agentsOf(dialogues), routing: router() } satisfies TroupeOptions;
