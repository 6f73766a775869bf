// The settings of model calls: which level holds, whose key goes where, and what may not be said on which level.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../src/config/config.ts';
import { openModels } from '../src/llm/models.ts';
import { generateKey, readKey, seal } from '../src/llm/secret.ts';
import { environmentLevel, type LlmLevel, type LlmSettings, resolve, withoutLlm } from '../src/llm/settings.ts';
import { Refused } from '../src/platform/errors.ts';
import { createTroupe } from '../src/troupe.ts';
import { failureOf } from './agent-server.ts';
import { hello, KEY, never, scope, scriptedModel } from './llm.ts';

const SEALED = 'enc:v1:AAAA';
const refusal = (make: () => unknown): string => {
  try {
    make();
  } catch (error) {
    if (error instanceof Refused) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('was taken');
};

/** All six levels of one call, lowest first, put where each belongs. */
function levels(all: readonly LlmLevel[]): [LlmSettings, { tenant: string; config: Record<string, any> }, LlmLevel] {
  const [environment, founder, tenant, ofTenant, user, ofUser, session] = all as LlmLevel[];
  const settings = { founder, tenants: { acme: tenant }, users: { 'acme/ann': user } } as LlmSettings;
  const config = { tenant: { llm: ofTenant }, user: { id: 'ann', llm: ofUser }, llm: session };
  return [settings, { tenant: 'acme', config }, environment!];
}
const COUNT = 7;

describe('later levels override', () => {
  test.each(['model', 'temperature', 'timeout_ms'] as const)('%s, whichever of the levels have one', (member) => {
    for (let which = 0; which < 2 ** COUNT; which += 1) {
      const value = (at: number) => (member === 'model' ? `m${at}` : at + 1);
      const all = Array.from({ length: COUNT }, (_, at) => (which & (1 << at) ? { [member]: value(at) } : {}));
      const highest = all.findLastIndex((level) => member in level);
      const clamped = member === 'temperature' ? all.map((level) => scaled(level)) : all;
      const expected = highest < 0 ? undefined : (clamped[highest] as any)[member];
      expect(resolve(...levels(clamped))[member]).toBe(expected);
    }
  });

  test('off on any level is off, by either name, and no later level switches it on again', () => {
    for (let at = 0; at < COUNT; at += 1)
      for (const name of ['llm_enabled', 'use_llm'] as const) {
        const all = Array.from({ length: COUNT }, (_, level) => ({ [name]: level !== at }));
        expect(resolve(...levels(all)).off).toBeTypeOf('string');
      }
    const on = Array.from({ length: COUNT }, () => ({ llm_enabled: true, use_llm: true }));
    expect(resolve(...levels(on)).off).toBeUndefined();
  });

  test('prices by model and budgets by who spends', () => {
    const price = (usd: number) => ({ input_per_million: usd, output_per_million: usd });
    const settings: LlmSettings = {
      founder: { prices: { a: price(1), b: price(1) }, budgets: { session: { calls: 5 }, tenant: { calls: 50 } } },
      tenants: { acme: { prices: { b: price(2) }, budgets: { session: { calls: 9 } } } },
    };
    expect(resolve(settings, { tenant: 'acme' })).toMatchObject({
      prices: { a: price(1), b: price(2) },
      budgets: { session: { calls: 9 }, tenant: { calls: 50 } },
    });
  });

  test('another tenant, or another user, has nothing of them', () => {
    const settings: LlmSettings = {
      tenants: { acme: { model: 'of-acme' } },
      users: { 'acme/ann': { model: 'of-ann' } },
    };
    const model = (tenant: string, id?: string) => resolve(settings, { tenant, config: { user: { id } } }).model;
    expect(model('acme')).toBe('of-acme');
    expect(model('acme', 'ann')).toBe('of-ann');
    expect(model('acme', 'bob')).toBe('of-acme');
    expect(model('globex', 'ann')).toBeUndefined();
  });
});

describe('a key', () => {
  test('goes only to the endpoint of its own level, or of a level below it', () => {
    const url = fc.constantFrom(undefined, 'http://a/v1', 'http://b/v1', 'http://c/v1');
    const level = fc.record({ base_url: url, has: fc.boolean() });
    fc.assert(
      fc.property(fc.array(level, { minLength: COUNT, maxLength: COUNT }), (drawn) => {
        const sealedBy = (at: number) => (at < 2 ? `key-${at}` : `enc:v1:key-${at}`);
        const all = drawn.map(({ base_url, has }, at) => ({
          ...(base_url && { base_url }),
          ...(has && { api_key: sealedBy(at) }),
        }));
        const { base_url, api_key } = resolve(...levels(all));
        if (api_key === undefined) return;
        const owner = all.findLastIndex((one) => one.api_key === api_key);
        const there = all.findLast(({ base_url }, at) => at <= owner && base_url !== undefined)?.base_url;
        // Nobody above the key's level has sent the call to another place than the key was given for.
        expect(base_url).toBe(there);
      }),
    );
  });

  test('of the founder is not sent to the endpoint that a tenant names', async () => {
    const theirs = await scriptedModel(() => 'ok', {});
    const founder = { base_url: 'http://127.0.0.1:1/v1', api_key: KEY, model: 'm' };
    const models = openModels({ founder, tenants: { acme: { base_url: theirs.url } } }, { env: {} });
    await models.call(scope, hello, { signal: never() });
    expect(theirs.requests[0]!.headers.authorization).toBeUndefined();
  });

  test('stays with OpenAI when a level writes its address down', () => {
    const settings = { tenants: { acme: { base_url: 'https://api.openai.com/v1/' } } };
    expect(resolve(settings, scope, { api_key: KEY }).api_key).toBe(KEY);
  });

  test('that is encrypted is decrypted at the call, for the tenant it was encrypted for', async () => {
    const TROUPE_ENCRYPTION_KEY = generateKey();
    const server = await scriptedModel(() => 'ok');
    const sealed = seal(KEY, readKey(TROUPE_ENCRYPTION_KEY), { tenant: 'acme' });
    const settings: LlmSettings = {
      founder: { base_url: server.url, model: 'm' },
      tenants: { acme: { api_key: sealed }, globex: { api_key: sealed } },
    };
    const models = openModels(settings, { env: { TROUPE_ENCRYPTION_KEY } });
    expect((await models.call(scope, hello, { signal: never() })).text).toBe('ok');
    const stolen = failureOf(models.call({ ...scope, tenant: 'globex' }, hello, { signal: never() }));
    expect(await stolen).toMatchObject({ code: 'llm_not_configured', retryable: false });
    expect((await stolen).message).toContain('tenant "globex" cannot be decrypted');
    expect(server.requests).toHaveLength(1);
  });

  test('that is encrypted needs TROUPE_ENCRYPTION_KEY from the start, and a right one', () => {
    const settings = { founder: { api_key: SEALED, model: 'm' } };
    expect(refusal(() => openModels(settings, { env: {} }))).toMatch(/^no_encryption_key: .*TROUPE_ENCRYPTION_KEY/);
    const wrong = refusal(() => openModels(settings, { env: { TROUPE_ENCRYPTION_KEY: 'too short' } }));
    expect(wrong).toMatch(/^bad_encryption_key: .*troupe encrypt --generate-key/);
    expect(wrong).not.toContain('too short');
  });

  test('in plain is refused on every level but the founder’s, and is not repeated', async () => {
    const message = (settings: unknown) => refusal(() => openModels(settings as LlmSettings, { env: {} }));
    for (const settings of [{ tenants: { acme: { api_key: KEY } } }, { users: { 'acme/ann': { api_key: KEY } } }]) {
      expect(message(settings)).toMatch(/api_key: must be encrypted: write what `troupe encrypt` prints/);
      expect(message(settings)).not.toContain(KEY);
    }
    const troupe = await createTroupe();
    onTestFinished(() => troupe.close());
    for (const config of [{ userConfig: { llm: { api_key: KEY } } }, { tenantConfig: { llm: { api_key: KEY } } }]) {
      const started = await troupe.startSession({ session: 's1', ...config }).catch((error) => error);
      expect(started).toMatchObject({ name: 'Refused', code: 'bad_request' });
      expect(started.message).toMatch(/llm\.api_key: must be encrypted/);
      expect(JSON.stringify([started.message, started.details])).not.toContain(KEY);
    }
    const born = { birth: { config: { llm: { api_key: KEY } } } };
    await expect(troupe.session('s2').send('hello', born)).rejects.toMatchObject({ code: 'bad_request' });
    await expect(troupe.session('s2').state()).rejects.toMatchObject({ code: 'unknown_session' });
  });
});

describe('what may not be said', () => {
  const refused = (settings: unknown): string => refusal(() => openModels(settings as LlmSettings, { env: {} }));
  test.each([
    ['an address that is none', { founder: { base_url: 'ftp://x' } }, 'llm.founder.base_url: must be a URL'],
    ['a password in an address', { founder: { base_url: 'https://u:p@x/v1' } }, 'must not have a user or password'],
    ['a misspelt member', { founder: { modle: 'x' } }, 'modle'],
    ['a user without a tenant', { users: { ann: {} } }, 'each must be named "<tenant>/<user>"'],
    ['a budget of nothing', { founder: { budgets: { session: {} } } }, 'must limit tokens, cost_usd or calls'],
    ['a user’s budget for the tenant', { users: { 'acme/ann': { budgets: { tenant: { calls: 1 } } } } }, 'tenant'],
    [
      'a price below nothing',
      { founder: { prices: { m: { input_per_million: -1, output_per_million: 0 } } } },
      'negative',
    ],
  ])('%s', (_, settings, sentence) => {
    expect(refused(settings)).toContain(sentence);
  });

  test('by a session: what calls cost, and how much may be spent', async () => {
    const troupe = await createTroupe();
    onTestFinished(() => troupe.close());
    for (const llm of [{ prices: {} }, { budgets: { session: { calls: 1_000 } } }])
      await expect(troupe.startSession({ session: 's1', userConfig: { llm } })).rejects.toMatchObject({
        code: 'bad_request',
      });
    // What a hook adds is checked at the call.
    const models = openModels({ founder: { model: 'm', api_key: 'k' } }, { env: {} });
    const config = { llm: { budgets: { session: { calls: 1_000 } } } };
    expect(await failureOf(models.call({ ...scope, config }, hello, { signal: never() }))).toMatchObject({
      code: 'llm_not_configured',
    });
  });

  test('a call of a tenant whose models are switched off fails without being made', async () => {
    const server = await scriptedModel(['never said']);
    const founder = { base_url: server.url, api_key: KEY, model: 'm' };
    const models = openModels({ founder, tenants: { acme: { use_llm: false } } }, { env: {} });
    expect(await failureOf(models.call(scope, hello, { signal: never() }))).toMatchObject({
      code: 'llm_disabled',
      retryable: false,
      message: 'calls of models are switched off by tenant "acme"',
    });
    expect(server.requests).toEqual([]);
  });
});

describe('the configuration', () => {
  async function load(name: string, text: string) {
    const cwd = await mkdtemp(join(tmpdir(), 'troupe-llm-'));
    onTestFinished(() => rm(cwd, { recursive: true }));
    await writeFile(join(cwd, name), text);
    return loadConfig({ cwd, env: {} });
  }

  test('has levels in a file, its keys encrypted', async () => {
    const yaml = `llm:\n  founder: { model: gpt, api_key: "${SEALED}", budgets: { tenant: { cost_usd: 5 } } }\n  tenants:\n    acme: { llm_enabled: false }\n`;
    const { troupe } = await load('troupe.config.yaml', yaml);
    expect(troupe.llm).toEqual({
      founder: { model: 'gpt', api_key: SEALED, budgets: { tenant: { cost_usd: 5 } } },
      tenants: { acme: { llm_enabled: false } },
    });
  });

  test('in a file of data takes no plain key, not even the founder’s; a program may have read one', async () => {
    const yaml = load('troupe.config.yaml', `llm: { founder: { api_key: ${KEY} } }`);
    await expect(yaml).rejects.toMatchObject({
      code: 'bad_config',
      message: expect.stringContaining('OPENAI_API_KEY'),
    });
    await expect(yaml).rejects.not.toMatchObject({ message: expect.stringContaining(KEY) });
    const program = await load('troupe.config.mjs', `export default { llm: { founder: { api_key: '${KEY}' } } };`);
    expect(program.troupe.llm?.founder?.api_key).toBe(KEY);
  });

  test('takes OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL from the environment, below the founder', () => {
    const env = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: 'http://localhost:1/v1', OPENAI_MODEL: 'm' };
    const level = environmentLevel(env);
    expect(level).toEqual({ api_key: KEY, base_url: 'http://localhost:1/v1', model: 'm' });
    expect(environmentLevel({ OPENAI_API_KEY: '', OPENAI_MODEL: '' })).toEqual({});
    expect(resolve({ founder: { base_url: 'http://other/v1' } }, scope, level)).toMatchObject({
      base_url: 'http://other/v1',
      api_key: undefined,
    });
    expect(refusal(() => environmentLevel({ OPENAI_BASE_URL: 'nowhere' }))).toMatch(
      /^bad_config: OPENAI_BASE_URL: must/,
    );
  });
});

test('agents elsewhere are not told how models are called', () => {
  const config = { tenant: { plan: 'gold', llm: { model: 'a' } }, user: { id: 'ann', llm: {} }, llm: {}, more: [1] };
  expect(withoutLlm(config)).toEqual({ tenant: { plan: 'gold' }, user: { id: 'ann' }, more: [1] });
  expect(withoutLlm({ tenant: 'acme', user: null })).toEqual({ tenant: 'acme', user: null });
  expect(config.tenant.llm).toEqual({ model: 'a' });
});

const scaled = (level: Record<string, unknown>) =>
  'temperature' in level ? { temperature: (level.temperature as number) / 10 } : level;
