// Calls models at OpenAI-compatible endpoints, with the settings of the caller's scope.
import type OpenAI from 'openai';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
} from 'openai/resources/chat/completions';
import type { Inspect } from '../../actors/durable.ts';
import type { Journal } from '../journal/journal.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { Failed, Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import { Assembly } from './assembly.ts';
import { Breakers, type Ended } from './breakers.ts';
import { Budgets } from './budgets.ts';
import { clientOf } from './client.ts';
import { modelFailed, type Whereto } from './failure.ts';
import { Meter } from './meter.ts';
import type { ModelIO, ModelReply, ModelRequest, ModelScope, Models } from './model.ts';
import { type Price, priceOf, usageOf } from './prices.ts';
import { bodyOf } from './request.ts';
import { isSealed, readKey, unseal } from './secret.ts';
import {
  environmentLevel,
  hasSealed,
  type LlmLevel,
  type LlmSettings,
  llmProgram,
  OPENAI,
  type Resolved,
  resolve,
} from './settings.ts';

export interface ModelsOptions {
  readonly settings?: LlmSettings;
  /** The lowest level: settings from environment variables. */
  readonly environment?: LlmLevel;
  /** `TROUPE_ENCRYPTION_KEY`, unparsed; needed for a sealed key. */
  readonly encryptionKey?: string;
  readonly clock?: Clock;
  /** The budgets to count against; by default new ones. */
  readonly budgets?: Budgets;
  /** The breakers of the endpoints; by default new ones, with the usual limits. */
  readonly breakers?: Breakers;
}

export interface OpenOptions {
  readonly clock?: Clock;
  /** The journal of the sessions, which holds their spending. */
  readonly journal?: Pick<Journal, 'tail'>;
  /** Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Sees the actors of budgets and of the endpoints' breakers. */
  readonly inspect?: Inspect;
}

/**
 * Opens models with these settings, and those of the environment below them. Throws `Refused`: `bad_request` for
 * invalid settings, `bad_encryption_key`, `no_encryption_key` when a key is encrypted and no encryption key is set.
 */
export function openModels(
  settings: LlmSettings = {},
  { clock, journal, env = process.env, inspect }: OpenOptions = {},
): OpenAiModels {
  const encryptionKey = env.TROUPE_ENCRYPTION_KEY || undefined;
  const checked = parse(llmProgram, settings, 'llm');
  if (encryptionKey !== undefined) readKey(encryptionKey);
  else if (hasSealed(checked)) throw noKey();
  const budgets = new Budgets({ clock, journal, inspect });
  const breakers = new Breakers({ clock, inspect });
  const environment = environmentLevel(env);
  return new OpenAiModels({ settings: checked, environment, encryptionKey, clock, budgets, breakers });
}

const noKey = (): Refused =>
  new Refused('no_encryption_key', 'an API key is encrypted, and TROUPE_ENCRYPTION_KEY is not set');

/** A body of the OpenAI API; the model may come from the settings. */
export type CompletionBody = Omit<ChatCompletionCreateParams, 'model' | 'stream'> & { readonly model?: string };

/** A call that breaker and budgets have admitted. */
interface Admitted {
  readonly settings: Resolved;
  readonly model: string;
  readonly price: Price | undefined;
  readonly where: Whereto;
  readonly client: OpenAI;
  readonly signal: AbortSignal;
  readonly ended: Ended;
}

export class OpenAiModels implements Models {
  readonly budgets: Budgets;
  readonly breakers: Breakers;
  readonly #options: ModelsOptions;
  readonly #clock: Clock;

  constructor(options: ModelsOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? realClock;
    this.budgets = options.budgets ?? new Budgets({ clock: this.#clock });
    this.breakers = options.breakers ?? new Breakers({ clock: this.#clock });
  }

  async call(scope: ModelScope, request: ModelRequest, { signal, delta }: ModelIO): Promise<ModelReply> {
    const settings = this.settings(scope);
    const assembly = new Assembly(delta);
    for await (const chunk of this.stream(scope, bodyOf(request, settings), signal)) assembly.add(chunk);
    const reply = assembly.reply();
    const asked = request.model ?? settings.model!;
    const { counted } = assembly;
    const usage = counted && usageOf(counted, priceOf(settings.prices, reply.model) ?? priceOf(settings.prices, asked));
    return { ...reply, model: reply.model || asked, ...(usage && { usage }) };
  }

  /** Yields the chunks of one answer as the endpoint sends them, the usage among the last. Fails as `call` does. */
  async *stream(
    scope: ModelScope,
    body: CompletionBody,
    signal: AbortSignal,
  ): AsyncGenerator<ChatCompletionChunk, void, undefined> {
    const call = await this.#admit(scope, body, signal);
    const { stream_options } = body;
    const params = {
      ...body,
      model: call.model,
      stream: true,
      stream_options: { ...stream_options, include_usage: true },
    };
    const meter = new Meter(body);
    let ended: unknown = LEFT;
    try {
      const chunks = await call.client.chat.completions.create(params as never, requestOptions(scope, call));
      for await (const chunk of chunks as unknown as AsyncIterable<ChatCompletionChunk>) {
        meter.add(chunk);
        yield chunk;
      }
      // The package ends an aborted stream as if it were complete.
      call.signal.throwIfAborted();
      if (!meter.finished) throw new Failed('model_cut_off', `${call.where.name} stopped in the middle of its answer`);
      ended = undefined;
    } catch (error) {
      const failed = this.#failed(error, call, signal);
      // The answer is complete and only the usage is missing, which is no reason to fail.
      ended = meter.finished && !call.signal.aborted ? undefined : failed;
      if (ended !== undefined) throw failed;
    } finally {
      this.#end(scope, call, meter, ended);
    }
  }

  /** Makes one call without streaming and returns the endpoint's completion. Fails as `call` does. */
  async complete(scope: ModelScope, body: CompletionBody, signal: AbortSignal): Promise<ChatCompletion> {
    const call = await this.#admit(scope, body, signal);
    const { stream_options: _, ...rest } = body;
    const params = { ...rest, model: call.model, stream: false };
    const meter = new Meter(body);
    let ended: unknown;
    try {
      const completion = await call.client.chat.completions.create(params as never, requestOptions(scope, call));
      if (!isCompletion(completion))
        throw new Failed('bad_model_answer', `${call.where.name} sent what is no completion`);
      meter.add(completion);
      return completion;
    } catch (error) {
      ended = this.#failed(error, call, signal);
      throw ended;
    } finally {
      this.#end(scope, call, meter, ended);
    }
  }

  /** Stops the timers of budgets and breakers. */
  stop(): void {
    this.budgets.stop();
    this.breakers.stop();
  }

  /** The resolved settings of a scope. Throws `Failed('llm_not_configured')` when a level of the session is invalid. */
  settings(scope: Pick<ModelScope, 'tenant' | 'config'>): Resolved {
    const { settings = {}, environment } = this.#options;
    return resolve(settings, scope, environment);
  }

  async #admit(scope: ModelScope, body: CompletionBody, signal: AbortSignal): Promise<Admitted> {
    signal.throwIfAborted();
    const settings = this.settings(scope);
    if (settings.off !== undefined)
      throw new Failed('llm_disabled', `calls of models are switched off by ${settings.off}`, false);
    const model = body.model ?? settings.model;
    if (model === undefined)
      throw new Failed(
        'llm_not_configured',
        'no model is named: name one in the agent, as `model` in the llm settings, or in OPENAI_MODEL',
        false,
      );
    const key = this.#key(settings);
    if (key === undefined && settings.base_url === undefined)
      throw new Failed(
        'llm_not_configured',
        'there is no endpoint: set OPENAI_API_KEY, or OPENAI_BASE_URL for one that needs no key',
        false,
      );
    const price = priceOf(settings.prices, model);
    if (price === undefined && Object.values(settings.budgets).some((budget) => budget?.cost_usd !== undefined))
      throw new Failed('llm_not_configured', `a budget limits cost_usd, but \`prices\` has none for "${model}"`, false);
    const base_url = settings.base_url ?? OPENAI;
    const client = await clientOf(base_url, key);
    const spender = { ...scope, user: settings.user };
    await this.budgets.recall(spender, settings.budgets);
    signal.throwIfAborted();
    const { origin, pathname } = new URL(base_url);
    const where = { name: `${origin}${pathname.replace(/\/+$/, '')}`, key };
    const ended = this.breakers.admit(where.name);
    try {
      this.budgets.admit(spender, settings.budgets);
    } catch (error) {
      ended(error);
      throw error;
    }
    const { timeout_ms } = settings;
    const both = timeout_ms === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeout_ms)]);
    return { settings, model, where, client, price, signal: both, ended };
  }

  /** Ends a call and counts its usage: an interrupted or abandoned call costs tokens as well. */
  #end(scope: ModelScope, { settings, price, ended }: Admitted, meter: Meter, error: unknown): void {
    ended(error);
    const { total_tokens, cost_usd } = usageOf(meter.counted(), price);
    if (total_tokens)
      this.budgets.spend({ ...scope, user: settings.user }, settings.budgets, { tokens: total_tokens, cost_usd });
  }

  #failed(error: unknown, call: Admitted, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    const { name } = call.where;
    if (call.signal.aborted)
      return new Failed('timed_out', `${name} did not answer within ${call.settings.timeout_ms} ms`);
    return modelFailed(error, call.where, this.#clock.now());
  }

  #key({ api_key, owner }: Resolved): string | undefined {
    if (api_key === undefined || !isSealed(api_key)) return api_key;
    const { encryptionKey } = this.#options;
    try {
      if (encryptionKey === undefined) throw noKey();
      return unseal(api_key, readKey(encryptionKey), owner);
    } catch (error) {
      if (error instanceof Refused) throw new Failed('llm_not_configured', error.message, false);
      throw error;
    }
  }
}

/** The package returns any body that has a status of success, also a proxy's error page. */
const isCompletion = (value: unknown): value is ChatCompletion =>
  Array.isArray((value as { choices?: unknown } | undefined)?.choices);

/** The caller stopped reading in the middle of an answer. */
const LEFT = new Error('left');

const requestOptions = ({ idempotency_key }: ModelScope, { signal }: Admitted) => ({
  signal,
  ...(idempotency_key !== undefined && { headers: { 'idempotency-key': idempotency_key } }),
});
