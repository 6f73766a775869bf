// The OpenAI API over HTTP: conversations as models, and the models behind them.
import { z } from 'zod';
import type { Troupe } from '../../troupe.ts';
import { chatBody } from './chat/body.ts';
import { ChatConversations, isConversation } from './chat/conversation.ts';
import { sendApiError } from './chat/errors.ts';
import { proxied } from './chat/proxy.ts';
import { type App, tenantOf } from './requests.ts';
import type { EventStreams } from './sse.ts';

const tags = ['openai'];

const modelList = z.object({
  object: z.literal('list'),
  data: z.array(z.object({ id: z.string(), object: z.literal('model'), created: z.int(), owned_by: z.string() })),
});

const budgetList = z.object({
  budgets: z.array(
    z.object({
      scope: z.enum(['session', 'user', 'agent', 'tenant']),
      tenant: z.string(),
      id: z.string().optional(),
      state: z.enum(['within', 'spent']),
      spent: z.object({ tokens: z.number(), cost_usd: z.number(), calls: z.number() }),
      limit: z.object({ tokens: z.number(), cost_usd: z.number(), calls: z.number() }).partial(),
      resets_at: z.number().describe('ms since the epoch'),
    }),
  ),
});

export function chatRoutes(app: App, troupe: Troupe, streams: EventStreams, buffer: number): void {
  const { models, pool, log } = troupe;
  const conversations = new ChatConversations(troupe, streams, buffer);

  app.post(
    '/v1/chat/completions',
    {
      schema: {
        tags,
        summary:
          'A turn of a conversation (model `troupe` or `troupe/<agent>`), or a call of a model, as the OpenAI API has it',
        description:
          'A conversation remembers: only the last message is read, a `user` one or a `tool` one that answers a tool call. Its session is ' +
          '`metadata.session_id`, `X-Session-Id`, that of the tool call, or `user`; otherwise a new one. `X-Session-Id` of the answer names it.',
        body: chatBody,
      },
      errorHandler: (error, _, reply) => void sendApiError(reply, error, log),
    },
    (request, reply) =>
      isConversation(request.body.model)
        ? conversations.answer(request, reply, request.body)
        : proxied(troupe, streams, request, reply, request.body),
  );

  app.get(
    '/v1/models',
    {
      schema: { tags, summary: 'What `model` may be', response: { 200: modelList } },
      errorHandler: (error, _, reply) => void sendApiError(reply, error, log),
    },
    (request) => {
      const tenant = tenantOf(request);
      const { model, prices, off } = models.settings({ tenant });
      const own = ['troupe', ...pool.agents(tenant).map(({ id }) => `troupe/${id}`)];
      const others = off === undefined ? new Set([...(model ? [model] : []), ...Object.keys(prices)]) : [];
      const listed = (owned_by: string) => (id: string) => ({ id, object: 'model' as const, created: 0, owned_by });
      return { object: 'list' as const, data: [...own.map(listed('troupe')), ...[...others].map(listed('endpoint'))] };
    },
  );

  app.get(
    '/v1/budgets',
    {
      schema: { tags, summary: 'What was spent on models in the windows that are open', response: { 200: budgetList } },
    },
    (request) => ({ budgets: models.budgets.view(tenantOf(request)) }),
  );
}
