// Calls of models as tests make them: a scripted server, and models that know where it is.
import { onTestFinished } from 'vitest';
import type { ModelRequest, ModelScope } from '../src/llm/model.ts';
import { type ModelsOptions, OpenAiModels } from '../src/llm/models.ts';
import type { LlmLevel } from '../src/llm/settings.ts';
import {
  type ModelAnswer,
  type ModelServer,
  type ModelServerOptions,
  modelServer,
} from '../src/testing/model-server.ts';

/** A key that looks like one; no line that anybody may read has it. */
export const KEY = 'sk-proj-Tr0upe0123456789abcdefghijklmnopqrstuvwxyz';

export const scope: ModelScope = { tenant: 'acme', session_id: 's1', agent_id: 'helper' };

export const hello: ModelRequest = { messages: [{ role: 'user', content: 'hello' }] };

export const never = (): AbortSignal => new AbortController().signal;

/** A server with this script that takes `KEY`, closed when the test is over. */
export async function scriptedModel(
  answers: Parameters<typeof modelServer>[0],
  options: ModelServerOptions = { api_key: KEY },
): Promise<ModelServer> {
  const server = await modelServer(answers, options);
  onTestFinished(() => server.close());
  return server;
}

export interface Calling {
  readonly server: ModelServer;
  readonly models: OpenAiModels;
  /** Calls with `hello` unless told; `said` keeps the pieces. */
  call(request?: Partial<ModelRequest>, signal?: AbortSignal): ReturnType<OpenAiModels['call']>;
  readonly said: string[];
}

/** Models whose founder has a key for a server with this script. */
export async function calling(
  answers: readonly ModelAnswer[] | Parameters<typeof modelServer>[0],
  founder: LlmLevel = {},
  more: ModelsOptions = {},
): Promise<Calling> {
  const server = await scriptedModel(answers);
  const level = { base_url: server.url, api_key: KEY, model: 'test-model', ...founder };
  const models = new OpenAiModels({ settings: { founder: level }, ...more });
  const said: string[] = [];
  const delta = (text: string) => void said.push(text);
  return {
    server,
    models,
    said,
    call: (request = {}, signal = never()) => models.call(scope, { ...hello, ...request }, { signal, delta }),
  };
}
