// An assistant that calls a model, with tools and a yes of a person: OPENAI_API_KEY=… TROUPE_CONFIG=examples/assistant.ts npm start
import { appendFile } from 'node:fs/promises';
import { defineAgent, defineTool, type TroupeOptions } from 'troupe';
import { z } from 'zod';

const orders: Record<string, { status: string; euros: number }> = {
  '1001': { status: 'left our warehouse this morning', euros: 20 },
  '1002': { status: 'was lost on its way', euros: 400 },
};

const findOrder = defineTool({
  name: 'find_order',
  description: 'Finds an order by its number: its status, and what it cost.',
  input: z.object({ order: z.string().regex(/^\d{4}$/, 'an order number has four digits') }),
  execute: ({ order }) => orders[order] ?? { error: `there is no order ${order}` },
});

const refund = defineTool({
  name: 'refund',
  description: 'Pays an order back.',
  input: z.object({ order: z.string(), euros: z.number().positive() }),
  // A person reads this and says yes, no, or yes to another amount.
  approval: ({ order, euros }) => euros > 50 && `Pay ${euros} € back for order ${order}?`,
  // The key is the same however often this very refund is tried: a bank would take it as the name of the payment.
  execute: async ({ order, euros }, { idempotency_key }) => {
    await appendFile(process.env.LEDGER ?? '/dev/null', `${idempotency_key} ${order} ${euros}\n`);
    return `${euros} € will be back in two days`;
  },
});

const assistant = defineAgent({
  id: 'assistant',
  kind: 'llm',
  description: 'Helps with orders and refunds.',
  instructions:
    'You help customers of a small shop. Look orders up before you say anything about them. Be brief and kind.',
  model: process.env.MODEL ?? 'gpt-4o-mini',
  tools: [findOrder, refund],
  transfers: ['person'],
});

/** A run can be given to any agent, also to one that fetches a person. */
const person = defineAgent({
  id: 'person',
  description: 'Fetches a person, for whoever asks for one or is angry.',
  run: () => ({ type: 'handoff', final_message: 'I am fetching a colleague.', reason: 'the model asked for a person' }),
});

export default {
  agents: [assistant, person],
  // Whatever is said goes to the assistant.
  routing: async () => ({ agent: 'assistant', confidence: 1, reason: 'there is only one' }),
} satisfies TroupeOptions;
