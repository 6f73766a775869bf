// Performs an agent on a subject: one request, answered by a stream of JSON messages on the reply subject.
import { z } from 'zod';
import { messageOf, type Performer } from '../../../actors/performer.ts';
import { resultSchema, usageSchema } from '../../../actors/result.ts';
import { withoutLlm } from '../../llm/settings.ts';
import type { Clock } from '../../platform/clock.ts';
import { Failed } from '../../platform/errors.ts';
import { type Message, MessageTooLarge, type Transport } from '../../transport/transport.ts';
import type { AgentCall, AgentResult } from '../definition.ts';
import type { Instances } from '../instances.ts';
import { Inbox } from './inbox.ts';
import { fellSilent, IDLE_MS, Silence } from './silence.ts';

export interface SubjectOptions {
  readonly clock: Clock;
  /** The instances that send heartbeats: when one misses them in the middle of an answer, the attempt fails at once. */
  readonly instances: Instances;
  /** Maximum size of an answer, bytes; a longer one fails; default 1 MiB. */
  readonly maxAnswerBytes?: number;
  /** Idle timeout of an answer that has begun, ms; default 30,000. */
  readonly idleMs?: number;
}

/** The sender's name, as in its heartbeats. Only the first message needs it. */
const instance = z.string().optional().catch(undefined);

/**
 * The messages of an agent: deltas, then an end. A single plain reply counts as the end. `working` only resets the idle
 * timeout.
 */
const told = z.union([
  z.object({ type: z.literal('delta'), text: z.string(), instance_id: instance }),
  z.object({ type: z.literal('working'), instance_id: instance }),
  z.object({ type: z.literal('done'), final_message: z.string().optional(), usage: usageSchema }),
  z.object({
    type: z.literal('error'),
    code: z.string().default('agent_failed'),
    message: z.string().default('the agent failed'),
    retryable: z.boolean().default(true),
  }),
  resultSchema,
  z.object({ type: z.undefined(), final_message: z.string(), usage: usageSchema }),
]);

/** The subject to which an agent's instances subscribe, in the queue group `agents`. */
export const invokeSubject = (tenant: string, agent: string): string => `troupe.${tenant}.agent.${agent}.invoke`;
/** The subject that asks the instance that performs a run to stop. */
export const cancelSubject = (tenant: string, agent: string, run: string): string =>
  `troupe.${tenant}.agent.${agent}.cancel.${run}`;

/**
 * Calls the instance of the agent that NATS chooses in the queue group. Fails with `no_responders` when there is none
 * (reported at once), `fell_silent` and `instance_gone` when it died in the middle of its answer, `bad_answer`,
 * `empty_answer`, `answer_too_large`, or with the error that the agent sent. When the run leaves its state, or the
 * attempt stops waiting for the answer, the agent gets a cancel message.
 */
export function subjectPerformer(transport: Transport, agent: string, options: SubjectOptions): Performer {
  const inbox = new Inbox(transport, agent);
  const { clock, instances, maxAnswerBytes = 1024 * 1024, idleMs = IDLE_MS } = options;
  return async (call, io) => {
    io.signal.throwIfAborted();
    const { tenant, agent_id } = call;
    const subject = invokeSubject(tenant, agent_id);
    const body = await bodyOf(call, io.history);
    const answer = Promise.withResolvers<AgentResult>();
    const stop = (): void =>
      transport.publish(cancelSubject(tenant, agent_id, call.run_id), JSON.stringify({ attempt: call.attempt }));
    const giveUp = (reason: unknown): void => {
      stop();
      answer.reject(reason);
    };
    const silence = new Silence(clock, idleMs, () => giveUp(fellSilent(subject, idleMs)));
    let unwatch: (() => void) | undefined;
    const watch = (instance_id: string | undefined): void => {
      if (instance_id === undefined || unwatch) return;
      const message = `instance "${instance_id}" of agent "${agent_id}" missed its heartbeats in the middle of its answer`;
      unwatch = instances.watch(tenant, agent_id, instance_id, () => giveUp(new Failed('instance_gone', message)));
    };

    let said = '';
    let bytes = 0;
    const hear = (message: Message): void => {
      bytes += message.data.byteLength;
      if (bytes > maxAnswerBytes)
        throw new Failed('answer_too_large', `${subject} answered with more than ${maxAnswerBytes} bytes`, false);
      const one = read(message, subject);
      switch (one.type) {
        case 'delta':
        case 'working':
          silence.begin();
          silence.heard();
          watch(one.instance_id);
          if (one.type === 'working') break;
          said += one.text;
          io.part(one.text);
          break;
        case 'error':
          throw new Failed(one.code, one.message, one.retryable);
        case 'done':
        case undefined: {
          const final_message = one.final_message ?? said;
          if (final_message === '' && one.final_message === undefined)
            throw new Failed('empty_answer', `${subject} gave no answer`, false);
          answer.resolve({ type: 'answer', final_message, ...(one.usage && { usage: one.usage }) });
          break;
        }
        default:
          answer.resolve(one);
      }
    };
    const place = inbox.open(tenant, (message) => {
      try {
        hear(message);
      } catch (error) {
        answer.reject(error);
      }
    });
    const abort = (): void => giveUp(io.signal.reason);
    io.signal.addEventListener('abort', abort, { once: true });
    try {
      publish(transport, subject, body, place.subject, call.idempotency_key);
      return await answer.promise;
    } finally {
      io.signal.removeEventListener('abort', abort);
      silence.end();
      unwatch?.();
      place.close();
    }
  };
}

function publish(transport: Transport, subject: string, body: string, reply: string, key: string): void {
  try {
    transport.publish(subject, body, { reply, headers: { 'Nats-Msg-Id': key } });
  } catch (error) {
    // A call that is too large now will be too large later, and does not count against the agent.
    if (error instanceof MessageTooLarge) throw new Failed('call_too_large', error.message, false);
    throw error;
  }
}

async function bodyOf(call: AgentCall, history: () => Promise<unknown>): Promise<string> {
  const { tried: _, ...rest } = call;
  const input_message = { role: 'user', content: messageOf(call) };
  return JSON.stringify({ ...rest, context: withoutLlm(call.context), input_message, history: await history() });
}

function read({ data, headers }: Message, subject: string): z.output<typeof told> {
  if (data.byteLength === 0 && headers?.Status === '503')
    throw new Failed('no_responders', `nobody listens on ${subject}`, true, { retry_after_s: 1 });
  const error = headers?.['Nats-Service-Error-Code'];
  if (error) throw new Failed('agent_failed', `${subject} answered ${error}: ${headers?.['Nats-Service-Error'] ?? ''}`);
  const text = new TextDecoder().decode(data);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Tools such as `nats reply` send plain text.
    return { type: 'done', final_message: text, usage: undefined };
  }
  // JSON that is not an object, e.g. a bare number, is the text of the answer.
  if (typeof value !== 'object' || value === null) return { type: 'done', final_message: text, usage: undefined };
  const parsed = told.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Failed('bad_answer', `${subject} sent a message of a wrong shape: ${z.prettifyError(parsed.error)}`);
}
