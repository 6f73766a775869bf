// The client of one endpoint: the openai package, without what it would do or read by itself.
import type OpenAI from 'openai';

/** The longest that a request may take by itself, ms: how long a call may take is the run's business. */
const NEVER = 2 ** 31 - 1;

/** Loaded with the first call: a runtime that calls no models does without the package. */
export async function clientOf(baseURL: string, key: string | undefined): Promise<OpenAI> {
  const { default: Client } = await import('openai');
  return new Client({
    baseURL,
    apiKey: key ?? 'none',
    // What the package would read from the environment by itself: it is not for every tenant's endpoint.
    ...{ organization: null, project: null, adminAPIKey: null, webhookSecret: null },
    defaultHeaders: key === undefined ? { authorization: null } : {},
    // Charts retry, where everybody can see it.
    maxRetries: 0,
    timeout: NEVER,
    logLevel: 'off',
    fetch: plainly,
  });
}

const HEADERS = ['accept', 'content-type', 'authorization', 'idempotency-key', 'user-agent'];

/** `fetch` with the headers that mean something here, and without following the endpoint to hosts that nobody configured. */
function plainly(url: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const given = new Headers(init.headers);
  const headers = HEADERS.flatMap((name): [string, string][] => (given.has(name) ? [[name, given.get(name)!]] : []));
  return fetch(url, { ...init, headers, redirect: 'manual' });
}
