// A delivery orchestrator: reserves the goods, plans the way, books the courier; nothing is booked twice, whatever crashes.

import { defineAgent, defineOrchestrator, defineTool, Failed } from 'troupe';
import { z } from 'zod';

const stock = new Map([
  ['chair', 3],
  ['table', 1],
]);

/** What belongs to nobody's conversation is a tool. Its key lets it tell a repeated call from a new one. */
export const reserve = defineTool({
  name: 'reserve',
  description: 'Takes goods from the stock.',
  input: z.object({ item: z.string(), count: z.number().int().positive() }),
  execute: ({ item, count }, { idempotency_key }) => {
    const left = stock.get(item) ?? 0;
    if (left < count) throw new Failed('out_of_stock', `${left} of "${item}" are left, ${count} are wanted`, false);
    stock.set(item, left - count);
    return { item, count, reservation: idempotency_key };
  },
});

const plan = z.object({ via: z.string(), hours: z.number() });

export const deliveryAgents = [
  defineAgent({
    id: 'planner',
    description: 'Plans the way of a parcel.',
    fallbacks: ['post'],
    run: (message) => {
      const { address } = JSON.parse(message);
      // Tried again, then the post stands in.
      if (/island/i.test(address)) throw new Failed('no_road', `no road leads to ${address}`);
      return JSON.stringify({ via: 'van', hours: 4 });
    },
  }),
  defineAgent({ id: 'post', description: 'Goes anywhere.', run: () => JSON.stringify({ via: 'post', hours: 72 }) }),
];

export const delivery = defineOrchestrator({
  name: 'delivery',
  version: '2.1',
  description: 'Has an order delivered.',
  payload: z.object({
    address: z.string().min(3),
    items: z.array(z.object({ item: z.string(), count: z.number().int().positive() })).min(1),
  }),
  attempts: 5,
  async run({ address, items }, { call, tool, step, record, progress }) {
    const records = [];
    for (const [n, wanted] of items.entries()) {
      const reserved = await step(`reserve ${wanted.item}`, () => tool('reserve', wanted));
      records.push(record({ kind: 'reservation', ...wanted }, reserved));
      progress((n + 1) / (items.length + 1), `reserved ${wanted.item}`);
    }
    const way = await step('plan', () =>
      call('planner', { address }, { output: plan, attempts: 2, timeout_ms: 10_000 }),
    );
    return [...records, record({ kind: 'way', ...way.data }, way)];
  },
});
