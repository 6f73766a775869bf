// The client of one endpoint: the openai package without its retries, redirects and environment variables.
import type OpenAI from 'openai';

/** The client's own timeout, ms, effectively none: the run limits the time of a call. */
const NEVER = 2 ** 31 - 1;

/** Loaded with the first call: a runtime that calls no models does not need the package. */
export async function clientOf(baseURL: string, key: string | undefined): Promise<OpenAI> {
  const { default: Client } = await import('openai');
  return new Client({
    baseURL,
    apiKey: key ?? 'none',
    // Variables that the package would read from the environment, and send to every tenant's endpoint.
    ...{ organization: null, project: null, adminAPIKey: null, webhookSecret: null },
    defaultHeaders: key === undefined ? { authorization: null } : {},
    // Charts retry, and journal every attempt.
    maxRetries: 0,
    timeout: NEVER,
    logLevel: 'off',
    fetch: plainly,
  });
}

const HEADERS = ['accept', 'content-type', 'authorization', 'idempotency-key', 'user-agent'];

/**
 * `fetch` with only the headers that these endpoints use, and without redirects, which could lead to hosts outside the
 * configuration.
 */
function plainly(url: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const given = new Headers(init.headers);
  const headers = HEADERS.flatMap((name): [string, string][] => (given.has(name) ? [[name, given.get(name)!]] : []));
  return fetch(url, { ...init, headers, redirect: 'manual' });
}
