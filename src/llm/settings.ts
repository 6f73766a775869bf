// The settings of model calls: levels from the environment over founder and tenant to user, resolved into one.
import { z } from 'zod';
import { token } from '../../machines/session/events.ts';
import { Failed, Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import { type Budgets, budgets, userBudgets } from './limits.ts';
import type { ModelScope } from './model.ts';
import { type Prices, price } from './prices.ts';
import { isSealed, type Owner } from './secret.ts';

const SEAL_IT =
  'must be encrypted: write what `troupe encrypt` prints ("enc:v1:…"); in plain a key may only be in OPENAI_API_KEY';
const sealed = z.string().refine(isSealed, SEAL_IT);
const baseUrl = z
  .url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' })
  .refine((url) => !/\/\/[^/]*@/.test(url), 'must not have a user or password in it: the key is `api_key`');

const own = {
  /** URL of the OpenAI-compatible endpoint, up to and with `/v1`. */
  base_url: baseUrl.optional(),
  api_key: sealed.optional(),
  /** The model for agents that name none. */
  model: z.string().min(1).max(200).optional(),
  temperature: z.number().min(0).max(2).optional(),
  /** Time limit of a call, ms. By default only the attempt's limit applies. */
  timeout_ms: z.int().positive().optional(),
  /** `false` switches calls of models off, here and below. */
  llm_enabled: z.boolean().optional(),
  /** An alias of `llm_enabled`, known from other systems. */
  use_llm: z.boolean().optional(),
};

/** A level in the configuration, below the founder. */
export const configuredLevel = z.strictObject({
  ...own,
  prices: z.record(z.string(), price).optional(),
  budgets: budgets.optional(),
});

/** The level of one user. */
export const userLevel = configuredLevel.extend({ budgets: userBudgets.optional() });

/** The founder's level in a program, which may have read a plain key from a secret store. */
export const founderLevel = configuredLevel.extend({ api_key: z.string().min(1).optional() });

/** A level in a session's own configuration. It may not set prices or budgets. */
export const sessionLevel = z.strictObject(own);

export type LlmLevel = z.infer<typeof founderLevel>;

const USER = /^[a-z0-9_-]{1,63}\/.{1,200}$/;
const users = z
  .record(z.string(), userLevel)
  .refine((named) => Object.keys(named).every((name) => USER.test(name)), 'each must be named "<tenant>/<user>"');

const levels = {
  tenants: z.record(token, configuredLevel).optional(),
  users: users.optional(),
};

/** `llm` in a data file: no key in plain anywhere. */
export const llmData = z.strictObject({ founder: configuredLevel.optional(), ...levels });

/** `llm` in a program. */
export const llmProgram = z.strictObject({ founder: founderLevel.optional(), ...levels });

/** Levels by owner; a user is named `<tenant>/<user>`, and a session names its user in `config.user.id`. */
export type LlmSettings = z.infer<typeof llmProgram>;

/** Whether any level of a configuration has an encrypted key. */
export const hasSealed = ({ founder, tenants, users }: LlmSettings): boolean =>
  [founder, ...Object.values({ ...tenants }), ...Object.values({ ...users })].some(
    (level) => level?.api_key !== undefined && isSealed(level.api_key),
  );

/** The resolved settings of one call. */
export interface Resolved {
  readonly base_url?: string;
  /** In plain or sealed, as configured. */
  readonly api_key?: string;
  /** The owner for whom the key was sealed. */
  readonly owner: Owner;
  readonly model?: string;
  readonly temperature?: number;
  readonly timeout_ms?: number;
  readonly prices: Prices;
  readonly budgets: Budgets;
  /** The session's user, if it names one. */
  readonly user?: string;
  /** The first level that switched calls of models off. */
  readonly off?: string;
}

interface Level extends LlmLevel {
  readonly name: string;
  readonly owner: Owner;
}

/**
 * Folds the levels of a scope: later ones override, except that off stays off, and that a level with a new `base_url`
 * does not inherit the key of the level below, which belongs to another server. Throws `Failed('llm_not_configured')`
 * when a level of the session is invalid.
 */
export function resolve(
  settings: LlmSettings,
  scope: Pick<ModelScope, 'tenant' | 'config'>,
  environment: LlmLevel = {},
): Resolved {
  let resolved: Resolved = { owner: 'founder', prices: {}, budgets: {}, user: userOf(scope.config ?? {}) };
  for (const level of levelsOf(settings, scope, environment)) resolved = over(resolved, level);
  return resolved;
}

function over(below: Resolved, level: Level): Resolved {
  const { base_url, api_key, model, temperature, timeout_ms, prices, budgets, llm_enabled, use_llm } = level;
  const elsewhere = base_url !== undefined && base_url !== below.base_url && !isOpenAi(base_url, below);
  const key =
    api_key !== undefined
      ? { api_key, owner: level.owner }
      : { api_key: elsewhere ? undefined : below.api_key, owner: below.owner };
  return {
    ...key,
    user: below.user,
    base_url: base_url ?? below.base_url,
    model: model ?? below.model,
    temperature: temperature ?? below.temperature,
    timeout_ms: timeout_ms ?? below.timeout_ms,
    prices: { ...below.prices, ...prices },
    budgets: { ...below.budgets, ...budgets },
    off: below.off ?? (llm_enabled === false || use_llm === false ? level.name : undefined),
  };
}

/** The default endpoint. */
export const OPENAI = 'https://api.openai.com/v1';

const isOpenAi = (url: string, below: Resolved): boolean =>
  below.base_url === undefined && url.replace(/\/+$/, '') === OPENAI;

function levelsOf(
  { founder, tenants, users }: LlmSettings,
  { tenant, config = {} }: Pick<ModelScope, 'tenant' | 'config'>,
  environment: LlmLevel,
): Level[] {
  const owner = { tenant };
  const user = userOf(config);
  const all: readonly [LlmLevel | undefined, string, Owner][] = [
    [environment, 'the environment', 'founder'],
    [founder, 'the founder', 'founder'],
    [tenants?.[tenant], `tenant "${tenant}"`, owner],
    [carriedLevel(asObject(config.tenant)?.llm, 'config.tenant.llm'), 'the tenant of the session', owner],
    [user === undefined ? undefined : users?.[`${tenant}/${user}`], `user "${user}"`, owner],
    [carriedLevel(asObject(config.user)?.llm, 'config.user.llm'), 'the user of the session', owner],
    [carriedLevel(config.llm, 'config.llm'), 'the session', owner],
  ];
  return all.flatMap(([level, name, owner]) => (level ? [{ ...level, name, owner }] : []));
}

function userOf(config: Readonly<Record<string, unknown>>): string | undefined {
  const id = asObject(config.user)?.id;
  return typeof id === 'string' ? id : undefined;
}

/** Checked again, because hooks may have added to the session's configuration. */
function carriedLevel(level: unknown, name: string): LlmLevel | undefined {
  if (level === undefined) return undefined;
  const checked = sessionLevel.safeParse(level);
  if (checked.success) return checked.data;
  const [{ path, message }] = checked.error.issues as [z.core.$ZodIssue];
  throw new Failed('llm_not_configured', `${[name, ...path].join('.')}: ${message}`, false);
}

const carried = z.looseObject({ llm: sessionLevel.optional() });
const sessionConfig = z.looseObject({
  tenant: z.unknown().transform(asObject).pipe(carried.optional()).optional(),
  user: z.unknown().transform(asObject).pipe(carried.optional()).optional(),
  llm: sessionLevel.optional(),
});

/** Throws `Refused('bad_request')` when a session's configuration has invalid `llm` settings, or a key in plain. */
export function checkSessionConfig(config: Readonly<Record<string, unknown>> | undefined): void {
  if (config) parse(sessionConfig, config, 'config');
}

/** A session's configuration without its `llm` settings, for remote agents. */
export function withoutLlm(context: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { llm: _, ...others } = context;
  const rest: Record<string, unknown> = others;
  for (const name of ['tenant', 'user']) {
    const inner = asObject(rest[name]);
    if (inner && 'llm' in inner) {
      const { llm: _, ...kept } = inner;
      rest[name] = kept;
    }
  }
  return rest;
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/**
 * The level of the environment: `OPENAI_API_KEY`, `OPENAI_BASE_URL` and `OPENAI_MODEL`. Throws `Refused('bad_config')`.
 */
export function environmentLevel(env: Readonly<Record<string, string | undefined>>): LlmLevel {
  const base_url = env.OPENAI_BASE_URL || undefined;
  const checked = baseUrl.optional().safeParse(base_url);
  if (!checked.success) throw new Refused('bad_config', `OPENAI_BASE_URL: ${checked.error.issues[0]!.message}`);
  return { api_key: env.OPENAI_API_KEY || undefined, base_url, model: env.OPENAI_MODEL || undefined };
}
