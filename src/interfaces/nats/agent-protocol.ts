// The Synadia Agent Protocol for NATS, version 0.3: clients discover, watch and prompt each agent like any other on the bus.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { token } from '../../../machines/session/events.ts';
import type { AgentDefinition } from '../../agents/definition.ts';
import { type Clock, realClock } from '../../platform/clock.ts';
import { Refused } from '../../platform/errors.ts';
import { parse } from '../../platform/parse.ts';
import { version } from '../../platform/version.ts';
import type { Message, Subscription, Transport } from '../../transport/transport.ts';
import type { Troupe } from '../../troupe.ts';
import { A2aMethods } from '../http/a2a/methods.ts';
import type { StreamResponse, TaskStatus } from '../http/a2a/objects.ts';
import { asRefused } from '../http/problems.ts';
import { type Micro, microService } from './micro.ts';

export interface AgentProtocolOptions {
  /** Tenant whose agents are served, and their owner in the protocol. Default `default`. */
  readonly tenant?: string;
  /** Interval between the heartbeats of an agent, and between the acks while it answers, s. Default 30. */
  readonly interval_s?: number;
}

const HARNESS = 'troupe';
const QUEUE = 'agents';
const VERSION = '0.3';
/** Longest text of one chunk, characters: in any script it fits into a message of 1 MB. */
const CHUNK = 150_000;
const ACK = { type: 'status', data: 'ack' } as const;

const envelope = z.looseObject({
  prompt: z.string().min(1, 'must not be empty'),
  /** The session to continue; without it each prompt is a new session. */
  session: token.optional(),
  attachments: z.array(z.unknown()).max(0, 'are not taken: only text is').optional(),
});

/** The subject of an agent's verb in the protocol. */
export const offeredSubject = (verb: 'prompt' | 'status' | 'hb', tenant: string, agent: string): string =>
  `agents.${verb}.${HARNESS}.${tenant}.${agent}`;

/**
 * Serves the agents of a tenant on `agents.{prompt,status,hb}.troupe.{tenant}.{agent}`. Returns a function that stops it.
 */
export function serveAgentProtocol(
  troupe: Troupe,
  transport: Transport,
  options: AgentProtocolOptions = {},
  clock: Clock = realClock,
): () => void {
  const { tenant = 'default', interval_s = 30 } = options;
  const hosts = new Map<string, Host>();
  let timer: unknown;
  const beat = (): void => {
    const known = troupe.directory.agents(tenant);
    for (const agent of known)
      if (!hosts.has(agent.id)) hosts.set(agent.id, new Host(troupe, transport, agent, { tenant, interval_s }, clock));
    for (const [id, host] of hosts) {
      if (known.some((agent) => agent.id === id)) host.beat();
      else {
        host.stop();
        hosts.delete(id);
      }
    }
    timer = clock.setTimeout(beat, interval_s * 1_000);
  };
  beat();
  return () => {
    clock.clearTimeout(timer);
    for (const host of hosts.values()) host.stop();
  };
}

/** One agent as a service of the protocol. */
class Host {
  readonly #troupe: Troupe;
  readonly #transport: Transport;
  readonly #agent: string;
  readonly #options: Required<AgentProtocolOptions>;
  readonly #clock: Clock;
  readonly #micro: Micro;
  readonly #subscriptions: readonly Subscription[];
  readonly #stop = new AbortController();

  constructor(
    troupe: Troupe,
    transport: Transport,
    { id, description }: AgentDefinition,
    options: Required<AgentProtocolOptions>,
    clock: Clock,
  ) {
    this.#troupe = troupe;
    this.#transport = transport;
    this.#agent = id;
    this.#options = options;
    this.#clock = clock;
    const [prompt, status] = [this.#subject('prompt'), this.#subject('status')];
    const metadata = { max_payload: '1MB', attachments_ok: 'false' };
    this.#micro = microService(transport, {
      name: 'agents',
      version,
      description: description ?? id,
      metadata: { agent: HARNESS, owner: options.tenant, session: id, protocol_version: VERSION },
      endpoints: [
        { name: 'prompt', subject: prompt, queue_group: QUEUE, metadata },
        { name: 'status', subject: status, queue_group: QUEUE },
      ],
    });
    this.#subscriptions = [
      transport.subscribe(prompt, (message) => void this.#prompt(message), { queue: QUEUE }),
      transport.subscribe(status, (message) => this.#status(message), { queue: QUEUE }),
    ];
  }

  beat(): void {
    this.#transport.publish(this.#subject('hb'), JSON.stringify(this.#alive()));
  }

  stop(): void {
    this.#stop.abort();
    this.#micro.stop();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #subject(verb: Parameters<typeof offeredSubject>[0]): string {
    return offeredSubject(verb, this.#options.tenant, this.#agent);
  }

  #alive(): object {
    const { tenant, interval_s } = this.#options;
    const ts = new Date(this.#clock.now()).toISOString();
    return { agent: HARNESS, owner: tenant, session: this.#agent, instance_id: this.#micro.id, ts, interval_s };
  }

  #status({ reply }: Message): void {
    if (reply !== undefined) this.#transport.publish(reply, JSON.stringify(this.#alive()));
  }

  /** Replies with chunks as they arrive. The last message, after success and failure alike, has neither body nor headers. */
  async #prompt({ data, reply }: Message): Promise<void> {
    if (reply === undefined) return;
    const began = this.#clock.now();
    const say = (body: string, headers?: Record<string, string>) => {
      if (!this.#stop.signal.aborted) this.#transport.publish(reply, body, { headers });
    };
    const every = this.#options.interval_s * 1_000;
    let timer: unknown;
    const goOn = (): void => {
      say(JSON.stringify(ACK));
      timer = this.#clock.setTimeout(goOn, every);
    };
    let failed: { code: number; message: string } | undefined;
    try {
      const { prompt, session } = envelopeOf(data);
      goOn();
      await this.#answer(prompt, session, say);
    } catch (error) {
      const { status, message } = asRefused(error);
      if (status >= 500) this.#troupe.log.error({ err: error, agent: this.#agent }, 'a prompt broke');
      failed = { code: status, message };
      const headers = { 'Nats-Service-Error': oneLine(message), 'Nats-Service-Error-Code': `${status}` };
      say(JSON.stringify({ code: status, description: message }), headers);
    } finally {
      this.#clock.clearTimeout(timer);
      say('');
      this.#micro.note('prompt', this.#clock.now() - began, failed);
    }
  }

  async #answer(prompt: string, session: string | undefined, say: (body: string) => void): Promise<void> {
    const { tenant } = this.#options;
    const respond = (text: string) => {
      for (const piece of pieces(text)) say(JSON.stringify({ type: 'response', data: piece }));
    };
    const methods = new A2aMethods(this.#troupe, { tenant, agent_id: this.#agent, buffer: 1_000, by: 'nats' });
    const message = {
      messageId: randomUUID(),
      role: 'ROLE_USER',
      parts: [{ text: prompt }],
      contextId: session ?? `p-${randomUUID()}`,
      taskId: session && (await this.#waiting(session)),
    };
    let said = false;
    let end: TaskStatus | undefined;
    for await (const { events } of methods.stream({ message }, this.#stop.signal))
      for (const event of events) {
        const text = textOf(event);
        // The protocol only appends: the text of a new attempt follows that of the one before.
        if (text) respond(said && 'artifactUpdate' in event && !event.artifactUpdate.append ? `\n\n${text}` : text);
        said ||= text !== '';
        end = 'statusUpdate' in event ? event.statusUpdate.status : end;
      }
    if (end) concluded(end, respond);
  }

  /** The run of a session that waits for its client's answer, as a task id. */
  async #waiting(session: string): Promise<string | undefined> {
    const { conversations } = this.#troupe;
    try {
      const { run } = await conversations.view({ tenant: this.#options.tenant, session });
      return run?.asks && run.run_id;
    } catch (error) {
      if (error instanceof Refused && error.code === 'unknown_session') return undefined;
      throw error;
    }
  }
}

/**
 * Sends the question that a run waits with. Throws `Refused` if the run has no answer, or waits for what this protocol
 * cannot send.
 */
function concluded({ state, message }: TaskStatus, respond: (text: string) => void): void {
  const said = (message?.parts ?? []).map(({ text }) => text ?? '').join('');
  const asks = (message?.parts ?? []).flatMap(({ data }) => Object.keys((data as object | undefined) ?? {}));
  if (state === 'TASK_STATE_COMPLETED') return;
  if (state === 'TASK_STATE_FAILED') throw new Refused('agent_failed', said, 502);
  if (state === 'TASK_STATE_CANCELED') throw new Refused('cancelled', `the run was cancelled: ${said}`, 409);
  if (state !== 'TASK_STATE_INPUT_REQUIRED')
    throw new Refused('waits_for_person', 'a person has the conversation: the message is kept for it', 409);
  if (asks.includes('tool'))
    throw new Refused(
      'tool_at_caller',
      `${said} This protocol has no way to do so: use the session's own subjects`,
      409,
    );
  respond(asks.includes('approval') ? `${said} (yes or no)` : said);
}

const textOf = (event: StreamResponse): string =>
  'artifactUpdate' in event ? event.artifactUpdate.artifact.parts.map(({ text }) => text ?? '').join('') : '';

/** A payload that begins with `{` must be an envelope; any other is the prompt's text. */
function envelopeOf(data: Uint8Array): z.infer<typeof envelope> {
  const text = decode(data);
  if (!/^\s*\{/.test(text)) return parse(envelope, { prompt: text }, 'envelope');
  try {
    return parse(envelope, JSON.parse(text), 'envelope');
  } catch (error) {
    throw error instanceof Refused ? error : new Refused('bad_json', 'the envelope is not JSON');
  }
}

function decode(data: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch {
    throw new Refused('bad_json', 'the payload is not UTF-8');
  }
}

/** Cuts a text into chunks that fit into messages, never within a surrogate pair. */
function* pieces(text: string): Generator<string> {
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + CHUNK, text.length);
    if (to < text.length && /[\uD800-\uDBFF]/.test(text[to - 1]!)) to -= 1;
    yield text.slice(from, to);
    from = to;
  }
}

// A line break would end a NATS header.
const oneLine = (text: string): string => text.replace(/[\r\n]+/g, ' | ').slice(0, 200);
