// The agent card: a client reads it before its first call. Every agent of the tenant is a skill.
import type { AgentDefinition } from '../../../agents/definition.ts';
import { version } from '../../../platform/version.ts';

const MODES = ['text/plain', 'application/json'];

/** The card of a runtime, or of one of its agents. `url` is its JSON-RPC endpoint. */
export function cardOf(url: string, agents: readonly AgentDefinition[], agent?: AgentDefinition): object {
  const skills = agents.map(skillOf);
  return {
    name: agent?.id ?? 'troupe',
    description: agent
      ? (agent.description ?? agent.id)
      : 'Conversations with agents; whom a message is for is found out.',
    version,
    supportedInterfaces: ['1.0', '0.3'].map((protocolVersion) => ({
      url,
      protocolBinding: 'JSONRPC',
      protocolVersion,
    })),
    capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false },
    defaultInputModes: MODES,
    defaultOutputModes: ['text/plain'],
    skills: skills.length > 0 ? skills : [skillOf({ id: 'conversation', description: 'Answers messages.' })],
    // Clients of 0.3 read the version and the URL here.
    protocolVersion: '0.3.0',
    url,
    preferredTransport: 'JSONRPC',
  };
}

type Described = Pick<AgentDefinition, 'id' | 'description' | 'capabilities' | 'triggers'>;

const skillOf = ({ id, description, capabilities, triggers }: Described): object => ({
  id,
  name: id,
  description: description ?? id,
  tags: capabilities?.length ? capabilities : ['agent'],
  ...(triggers?.length && { examples: triggers }),
});
