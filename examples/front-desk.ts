// A small front desk: books tables, looks up orders, fetches a person. `npm start` serves it; copy it to begin your own.
import { setTimeout as pause } from 'node:timers/promises';
import { defineAgent, type TroupeOptions } from 'troupe';
import { z } from 'zod';

/** Asks for what it must know, turn by turn, and books when everything is right. */
const booking = defineAgent({
  kind: 'form',
  id: 'booking',
  description: 'Books a table at a restaurant.',
  triggers: ['book a table', 'reserve a table', 'table for', 'make a reservation', 'restaurant'],
  fields: {
    restaurant: { prompt: 'Which restaurant would you like?', schema: z.string().min(2, 'That is a short name.') },
    date: {
      prompt: 'On which day? (such as 2026-05-31)',
      schema: z.iso.date('Please write the day as year-month-day, such as 2026-05-31.'),
    },
    party_size: {
      prompt: 'For how many people?',
      schema: z.coerce.number('Please give a number.').int().min(1, 'At least one.').max(12, 'We seat up to twelve.'),
    },
    name: { prompt: 'Under which name?', schema: z.string().min(2, 'Please give a name.') },
  },
  extract: (message) => ({
    date: /\b\d{4}-\d{2}-\d{2}\b/.exec(message)?.[0],
    party_size: /\bfor (\d+)\b/.exec(message)?.[1],
  }),
  confirm: true,
  run: ({ restaurant, date, party_size, name }) =>
    `Done: a table for ${party_size} at ${restaurant} on ${date}, under the name ${name}.`,
  cancelled: 'All right, no table then.',
});

const progress = [
  'is being packed',
  'left our warehouse this morning',
  'is with the courier',
  'was delivered yesterday',
];

/** Streams its answer word by word, as a model would. */
const orderStatus = defineAgent({
  id: 'order-status',
  description: 'Says where an order is.',
  triggers: ['order status', 'where is my order', 'track my order', 'has my order shipped', 'order'],
  async *run(message, { signal }) {
    const order = /\d{3,}/.exec(message)?.[0];
    if (!order) return { type: 'input_required', prompt: 'What is the number of your order?' };
    const answer = `Your order ${order} ${progress[Number(order) % progress.length]}. Anything else I can look up for you?`;
    for (const word of answer.split(/(?<= )/)) {
      await pause(40, undefined, { signal });
      yield word;
    }
  },
});

/** Says that a person comes, and gives the conversation away: the AI pauses until somebody resumes it or takes over. */
const humanHandoff = defineAgent({
  id: 'human-handoff',
  description: 'Fetches a person.',
  triggers: ['human', 'a person', 'someone real', 'talk to somebody', 'complaint'],
  run: () => ({
    type: 'handoff',
    final_message: 'I am fetching a colleague. They will read what we wrote and answer you here.',
    reason: 'the user asked for a person',
  }),
});

export default {
  agents: [booking, orderStatus, humanHandoff],
  handleNoMatch: () => 'I can book a table, tell you where your order is, or fetch a person. What may it be?',
} satisfies TroupeOptions;
