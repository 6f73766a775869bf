// What a turn of an agent that calls a model costs beside the same HTTP calls made bare.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import OpenAI from 'openai';
import { z } from 'zod';
import { OpenAiModels } from '../src/llm/models.ts';
import { createTroupe } from '../src/troupe.ts';
import { type Figure, sideBySide } from './measure.ts';
import { sqlite } from './turns.ts';

const CONCURRENCY = 64;
const ROUNDS = 3;
const TOOL = {
  name: 'look',
  description: 'Looks.',
  parameters: { type: 'object', properties: { step: { type: 'integer' } } },
};

/** ms that a turn takes, with so many at once, each going on with its next when one has ended. */
async function perTurn(turn: (caller: number, round: number) => Promise<void>): Promise<number> {
  const began = performance.now();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async (_, caller) => {
      for (let round = 0; round < ROUNDS; round += 1) await turn(caller, round);
    }),
  );
  return (performance.now() - began) / ROUNDS;
}

export async function llm(): Promise<Figure> {
  const script = new URL('./model.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [first] = (await once(child.stdout, 'data')) as [Buffer];
  const base_url = String(first).trim();
  const settings = { founder: { base_url, api_key: 'bench', model: 'quick' } };
  const troupe = await createTroupe({
    journal: sqlite(),
    pool: { models: new OpenAiModels({ settings }) },
    agents: [
      {
        id: 'helper',
        kind: 'llm',
        instructions: 'Be brief.',
        // Both sides send the same messages: the run's own.
        history: 0,
        tools: [
          {
            name: TOOL.name,
            description: TOOL.description,
            input: z.object({ step: z.int() }),
            parameters: TOOL.parameters,
            execute: ({ step }) => ({ step }),
          },
        ],
      },
    ],
  });
  let sessions = 0;
  const ours = () =>
    perTurn(async (caller, round) => {
      if (round === 0 && caller === 0) sessions += 1;
      const session = troupe.session(`s${sessions}-${caller}`);
      const { status } = await session.send('look three times', { agent_id: 'helper' });
      if (status !== 'done') throw new Error(`the turn is ${status}`);
    });
  const client = new OpenAI({ baseURL: base_url, apiKey: 'bench', maxRetries: 0 });
  const floor = () => perTurn(() => bareTurn(client));
  await ours();
  const sides = await sideBySide(5, ours, floor);
  await troupe.close();
  child.kill();
  const ratio = sides.ours / sides.floor;
  return {
    name: `a turn with 3 tool steps of an agent that calls a model, on SQLite, ${CONCURRENCY} at once, beside the same calls made bare`,
    ours: sides.ours,
    floor: sides.floor,
    unit: 'ms',
    ratio,
    target: '≤ 1.15',
    holds: ratio <= 1.15,
    cost: 'eight entries: the message, three replies and three results that must not be lost, the answer',
  };
}

/** The loop that everybody writes first: ask, call, ask again. */
async function bareTurn(client: OpenAI): Promise<void> {
  const messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'look three times' },
  ];
  for (;;) {
    const stream = await client.chat.completions.create({
      model: 'quick',
      messages,
      tools: [{ type: 'function', function: TOOL }],
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let call: { id: string; args: string } | undefined;
    for await (const { choices } of stream) {
      const delta = choices[0]?.delta;
      text += delta?.content ?? '';
      for (const piece of delta?.tool_calls ?? []) {
        call ??= { id: piece.id!, args: '' };
        call.args += piece.function?.arguments ?? '';
      }
    }
    if (!call) return;
    const { id, args } = call;
    messages.push(
      {
        role: 'assistant',
        content: text,
        tool_calls: [{ id, type: 'function', function: { name: TOOL.name, arguments: args } }],
      },
      { role: 'tool', tool_call_id: id, content: args },
    );
  }
}
