// The program whose journals are recorded: agents of every kind that stop in the middle of their work, and go on with it later.
import { z } from 'zod';
import { refunds } from '../../examples/refund.ts';
import {
  type AgentDefinition,
  createTroupe,
  defineAgent,
  defineOrchestrator,
  defineTool,
  Failed,
  type Journal,
  type Troupe,
  type TroupeOptions,
} from '../../src/index.ts';
import { OpenAiModels } from '../../src/llm/models.ts';
import { type ModelServer, modelServer } from '../../src/testing.ts';

/** What stands still while it is recorded goes on when it is `live`. */
export interface Mode {
  readonly live: boolean;
}

const KEY = 'sk-recorded';
const never = () => new Promise<never>(() => {});

/** The agents; a message that says "stop here" is not answered until the program is live. */
function agents({ live }: Mode): AgentDefinition[] {
  const answer = (text: string) => (message: string) =>
    message.includes('stop here') && !live ? never() : `${text}: ${message}`;
  return [
    defineAgent({ id: 'echo', triggers: ['echo'], run: answer('You said') }),
    defineAgent({
      id: 'talker',
      triggers: ['talk'],
      async *run(message) {
        yield 'One ';
        yield 'two ';
        if (message.includes('stop here') && !live) await never();
        yield 'three.';
      },
    }),
    // Fails once for all, so that the run goes to the next agent.
    defineAgent({
      id: 'broken',
      fallbacks: ['echo'],
      triggers: ['break'],
      run: () => {
        throw new Failed('out_of_order', 'it is broken', false);
      },
    }),
    defineAgent({
      id: 'flaky',
      triggers: ['flake'],
      run: (message) => {
        if (!live) throw new Failed('not_yet', 'it does not work yet');
        return `It works now: ${message}`;
      },
    }),
    defineAgent({
      id: 'giver',
      triggers: ['give'],
      run: (message, { call }) => {
        if (call.decision) return answer('Taken back')(message);
        const agent = message.includes('badly') ? 'broken-too' : 'echo';
        return { type: 'transfer', agent, reason: 'knows more', task: { given: true } };
      },
    }),
    defineAgent({
      id: 'broken-too',
      run: () => {
        throw new Failed('out_of_order', 'it is broken as well', false);
      },
    }),
    defineAgent({
      id: 'asker',
      triggers: ['ask me'],
      run: (message, { call }) =>
        call.task
          ? `You answered ${message}.`
          : { type: 'input_required', prompt: 'Which one?', task: { asked: true } },
    }),
    defineAgent({
      id: 'payer',
      triggers: ['pay'],
      run: (_, { call }) =>
        call.decision?.kind === 'approval'
          ? `It was decided: ${call.decision.decision}.`
          : { type: 'approval_required', action: 'pay', summary: 'Pay 5 €?', task: { euros: 5 } },
    }),
    defineAgent({
      id: 'locator',
      triggers: ['where am i'],
      run: (_, { call }) =>
        call.decision?.kind === 'tool'
          ? `You are in ${call.decision.result}.`
          : { type: 'tool_required', name: 'locate', arguments: {} },
    }),
    defineAgent({
      id: 'escalator',
      triggers: ['a person please'],
      run: () => ({ type: 'handoff', final_message: 'Ann will be with you.', reason: 'the user asks for a person' }),
    }),
    defineAgent({
      id: 'booking',
      kind: 'form',
      triggers: ['book'],
      confirm: true,
      fields: {
        city: { prompt: 'Where to?', schema: z.string() },
        nights: { prompt: 'How many nights?', schema: z.coerce.number().int() },
      },
      run: ({ city, nights }) => `${nights} nights in ${city} are booked.`,
    }),
    defineAgent({
      id: 'trip',
      kind: 'flow',
      mode: 'sequential',
      triggers: ['trip'],
      steps: [
        { id: 'plan', agent: 'echo', prompt: () => 'plan it' },
        { id: 'go', agent: 'echo' },
      ],
    }),
    defineAgent({
      id: 'survey',
      kind: 'flow',
      mode: 'parallel',
      triggers: ['survey'],
      on_failure: 'continue',
      steps: ['asker', 'broken', { id: 'late', agent: 'flaky' }],
      backoff_ms: 30_000,
    }),
    defineAgent({
      id: 'helper',
      kind: 'llm',
      instructions: 'Be brief.',
      triggers: ['help'],
      tools: [
        defineTool({
          name: 'weather',
          description: 'The weather in a city.',
          input: z.object({ city: z.string() }),
          execute: ({ city }) => ({ city, degrees: city.length }),
        }),
        defineTool({
          name: 'send_money',
          description: 'Sends money.',
          input: z.object({ euros: z.number() }),
          approval: ({ euros }) => `Send ${euros} €?`,
          execute: ({ euros }) => `${euros} € are sent`,
        }),
      ],
    }),
    refunds(
      [
        { id: '1001', euros: 20 },
        { id: '1002', euros: 400 },
      ],
      async ({ id }) => (live ? `paid ${id}` : never()),
    ),
  ];
}

const campaign = ({ live }: Mode) =>
  defineOrchestrator({
    name: 'campaign',
    version: '1',
    payload: z.object({ name: z.string(), how: z.enum(['well', 'badly', 'slowly']) }),
    attempts: 2,
    backoff_ms: 0,
    async run({ name, how }, ctx) {
      const greeting = await ctx.step('greet', () => `Hello ${name}`);
      if (how === 'badly' && !live) throw new Failed('no_luck', 'it does not work', true);
      if (how === 'slowly' && !live) await never();
      return [ctx.record({ greeting }, await ctx.call('echo', `echo ${name}`))];
    },
  });

/** A model that asks for a tool once, or for money, and otherwise answers; it is silent before its last word until it is live. */
const model = ({ live }: Mode): Promise<ModelServer> =>
  modelServer(
    ({ body }) => {
      const { role, content } = body.messages.at(-1)!;
      if (role === 'tool') return live ? 'All is done.' : never();
      if (String(content).includes('weather'))
        return { calls: [{ id: 'c1', name: 'weather', arguments: { city: 'Oslo' } }] };
      if (String(content).includes('money'))
        return { calls: [{ id: 'c2', name: 'send_money', arguments: { euros: 7 } }] };
      return 'Hello.';
    },
    { api_key: KEY },
  );

export interface Running {
  readonly troupe: Troupe;
  close(): Promise<void>;
}

/** Starts the program on a journal; `close` leaves what is owed in it. */
export async function startProgram(
  journal: Journal,
  mode: Mode,
  { transport, clock }: Pick<TroupeOptions, 'transport' | 'clock'> = {},
): Promise<Running> {
  const server = await model(mode);
  const models = new OpenAiModels({ settings: { founder: { base_url: server.url, api_key: KEY, model: 'm' } } });
  const troupe = await createTroupe({
    journal,
    ...(transport && { transport }),
    ...(clock && { clock }),
    agents: agents(mode),
    orchestrators: [campaign(mode)],
    pool: { models },
    jobs: { workers: 8 },
    settings: { attempts: 2, backoff_ms: mode.live ? 0 : 30_000 },
    handleNoMatch: (message) => `Nothing matches: ${message}`,
    routing: (message) => (message.includes('route slowly') && !mode.live ? never() : 'default'),
  });
  return {
    troupe,
    async close() {
      await troupe.close();
      await server.close();
    },
  };
}
