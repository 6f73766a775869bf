// Everything that can happen to an agent that thinks and acts, as little of it as its guards can tell apart.
import type { AnyMachineSnapshot } from 'xstate';
import type { ModelReply, ReactContext, ReactEvent, WantedCall } from '../../machines/react/events.ts';
import { reactMachine } from '../../machines/react/machine.ts';
import type { Decision } from '../../machines/session/events.ts';
import { explore, type Graph, type Result } from '../../src/testing/explore.ts';

export const MAX_STEPS = 2;

export const exploreReact = (machine = reactMachine): Graph =>
  explore(machine, { input: { input: ['hello'], max_steps: MAX_STEPS }, limit: 5_000, ...world });

const kinds: Record<string, Partial<WantedCall>> = {
  run: { kind: 'run' },
  approve: { kind: 'approve', summary: 'sure?' },
  client: { kind: 'client' },
  transfer: { kind: 'transfer', agent: 'b', reason: 'knows more' },
  invalid: { kind: 'run', arguments: 'oops', invalid: 'no such tool' },
};

const wanted = (id: string, kind: string): WantedCall =>
  ({ id, name: `to-${kind}`, arguments: { by: 'model' }, ...kinds[kind] }) as WantedCall;

const reply = (text: string, calls: WantedCall[] = [], more: Partial<ModelReply> = {}): Result => ({
  output: { text, calls, usage: { total_tokens: 1 }, ...more },
});

const names = Object.keys(kinds);
const replies: Result[] = [
  reply(''),
  reply('hm'),
  reply('', [], { refusal: 'I will not' }),
  ...names.map((kind) => reply('', [wanted('c1', kind)])),
  ...names.flatMap((one) => names.map((other) => reply('hm', [wanted('c1', one), wanted('c2', other)]))),
  // Ids that say nothing.
  reply('', [wanted('c1', 'run'), wanted('c1', 'run')]),
  reply('', [wanted('', 'run'), wanted('', 'approve')]),
];

const decisions: Decision[] = [
  { kind: 'approval', decision: 'approve', by: 'ann' },
  { kind: 'approval', decision: 'approve', by: 'ann', arguments: { by: 'ann' } },
  { kind: 'approval', decision: 'reject', by: 'ann', reason: 'too dear' },
  { kind: 'approval', decision: 'expired' },
  { kind: 'tool', result: 1 },
  { kind: 'tool', error: 'broken' },
  { kind: 'transfer', to: 'b', error: 'busy' },
];

/** The user's words that are in the run, heard or said to the model. */
export const wordsOf = ({ heard, messages }: ReactContext): number =>
  heard.length + messages.filter(({ role }) => role === 'user').length;

function events({ context }: AnyMachineSnapshot): ReactEvent[] {
  const { calls, nudged } = context as ReactContext;
  const ids = [...calls.map(({ id }) => id), 'wrong'];
  const more = wordsOf(context) - (nudged ? 1 : 0) < 2;
  return [
    ...ids.map((call) => ({ type: 'tool.finished' as const, call, output: 'done', ms: 1 })),
    ...ids.map((call) => ({
      type: 'tool.finished' as const,
      call,
      error: { code: 'tool_failed', message: 'broken' },
      ms: 1,
    })),
    ...decisions.map((decision) => ({ type: 'decided' as const, decision })),
    ...(more ? [{ type: 'heard' as const, input: ['and quickly'] }] : []),
  ];
}

const results: Record<string, Result[]> = { model: replies, tools: [{ output: undefined }] };

/** What guards read. Of messages and results only that they are there: a fact looks at those of every step, not only of the states. */
function serialize({ value, context }: AnyMachineSnapshot): unknown {
  const { steps, calls, heard, said, nudged, messages } = context as ReactContext;
  return [
    value,
    Math.min(steps, MAX_STEPS + 3),
    calls.map(({ kind, approved, result, edited_by }) => [
      kind,
      approved ?? false,
      edited_by !== undefined,
      result !== undefined,
    ]),
    heard.length,
    Math.min(wordsOf(context), 4),
    said.length > 0,
    nudged,
    sinceReply(messages),
  ];
}

/** Who spoke since the last reply: words in a place where none may stand make it another state. */
function sinceReply(messages: ReactContext['messages']): string {
  const roles = messages.map(({ role }) => role);
  return roles
    .slice(Math.max(0, roles.lastIndexOf('assistant')))
    .slice(0, 4)
    .join();
}

export const world = { events, results, serialize };
