// An agent that is a chart of your own: looks an order up, asks a person about large sums, and refunds exactly once.

import { type AgentResult, type Decision, defineAgent, performed } from 'troupe';
import { assign, setup } from 'xstate';

interface Order {
  readonly id: string;
  readonly euros: number;
}

interface RefundContext {
  readonly message: string;
  readonly order: Order | null;
  /** What a state tagged `asks` asks. */
  readonly question: object | null;
}

type RefundEvent =
  | { readonly type: 'decided'; readonly decision: Decision }
  | { readonly type: 'heard'; readonly input: readonly string[] };

const output = <T>(event: unknown): T => (event as { output: T }).output;
const said = (final_message: string): AgentResult => ({ type: 'answer', final_message });

export const refundMachine = setup({
  types: {
    context: {} as RefundContext,
    events: {} as RefundEvent,
    input: {} as { message: string },
    output: {} as AgentResult,
    tags: {} as 'asks',
  },
  actors: { lookUp: performed<Order | null, string>(), refund: performed<string, Order>() },
  guards: {
    isFound: ({ event }) => output<Order | null>(event) !== null,
    isLarge: ({ context }) => context.order!.euros > 100,
    isApproved: ({ event }) =>
      event.type === 'decided' && event.decision.kind === 'approval' && event.decision.decision === 'approve',
  },
  actions: {
    keepOrder: assign(({ event }) => ({ order: output<Order>(event) })),
    askForNumber: assign({ question: { type: 'input_required', prompt: 'What is the number of your order?' } }),
    askForApproval: assign(({ context: { order } }) => ({
      question: { type: 'approval_required', action: 'refund', summary: `Refund ${order!.euros} € for ${order!.id}?` },
    })),
    hear: assign(({ event }) => ({ message: event.type === 'heard' ? event.input.join(' ') : '' })),
  },
}).createMachine({
  id: 'refund',
  version: '1',
  context: ({ input }) => ({ message: input.message, order: null, question: null }),
  output: ({ event }) => output<AgentResult>(event),
  initial: 'lookingUp',
  states: {
    lookingUp: {
      invoke: {
        src: 'lookUp',
        input: ({ context }) => context.message,
        onDone: [{ guard: 'isFound', target: 'checking', actions: 'keepOrder' }, { target: 'askingForNumber' }],
      },
    },
    askingForNumber: { tags: 'asks', entry: 'askForNumber', on: { heard: { target: 'lookingUp', actions: 'hear' } } },
    checking: { always: [{ guard: 'isLarge', target: 'awaitingApproval' }, { target: 'refunding' }] },
    awaitingApproval: {
      tags: 'asks',
      entry: 'askForApproval',
      on: { decided: [{ guard: 'isApproved', target: 'refunding' }, { target: 'refused' }] },
    },
    refunding: {
      invoke: { src: 'refund', input: ({ context }) => context.order!, onDone: 'refunded' },
    },
    refunded: { type: 'final', output: ({ context }) => said(`${context.order!.euros} € are on their way.`) },
    refused: { type: 'final', output: said('I am sorry, we cannot refund this.') },
  },
});

/** `pay` gets a key that is the same however often the refund is tried: hand it to whoever moves the money. */
export const refunds = (orders: readonly Order[], pay: (order: Order, key: string) => Promise<string>) =>
  defineAgent({
    id: 'refund',
    kind: 'machine',
    description: 'Refunds an order.',
    triggers: ['refund'],
    machine: refundMachine,
    actors: {
      lookUp: (message: string) => orders.find(({ id }) => message.includes(id)) ?? null,
      refund: (order: Order, { key }) => pay(order, key),
    },
  });
