// Agents that do as they are told, for tests of what is around them.
import { type AgentDefinition, defineAgent, Failed, type Outcome } from '../src/index.ts';

/** What a run asks, by its id. */
export const askedIn = ({ question }: Pick<Outcome, 'question'>): string =>
  question!.type === 'approval_requested' ? question!.approval : question!.call;

export const echo = defineAgent({ id: 'echo', triggers: ['say'], run: (text) => `you said ${text}` });

/** Answers when it is let go. */
export function gate() {
  const opened = Promise.withResolvers<string>();
  const started = Promise.withResolvers<void>();
  const agent: AgentDefinition = {
    id: 'slow',
    run: (_, { signal }) => {
      started.resolve();
      return Promise.race([
        opened.promise,
        new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      ]);
    },
  };
  return { agent, open: opened.resolve, started: started.promise };
}

/** Asks a person first. */
export const approving: AgentDefinition = {
  id: 'careful',
  run: (_, { call }) =>
    call.decision
      ? `decided: ${JSON.stringify(call.decision)}`
      : { type: 'approval_required', action: 'refund', summary: 'Refund 20 €' },
};

/** Lets the caller run a tool first. */
export const calling: AgentDefinition = {
  id: 'caller',
  run: (_, { call }) =>
    call.decision
      ? `got: ${JSON.stringify(call.decision)}`
      : { type: 'tool_required', name: 'weather', arguments: { city: 'Kyoto' } },
};

export const failing: AgentDefinition = {
  id: 'failing',
  run: () => {
    throw new Failed('no_luck', 'it did not work', false);
  },
};
