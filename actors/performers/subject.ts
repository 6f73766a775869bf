// Performs an agent that listens on a subject: one request, answered by a stream of JSON messages to the reply subject.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { AgentResult } from '../../src/agent.ts';
import { Failed } from '../../src/errors.ts';
import type { Message, Transport } from '../../src/transport.ts';
import { messageOf, type Performer } from '../performer.ts';
import { resultSchema, usageSchema } from './answer.ts';

export interface SubjectOptions {
  /** An answer of more bytes than this is given up; 1 MiB unless told. */
  readonly maxAnswerBytes?: number;
}

/** What an agent sends: pieces, then an end. A single plain reply counts as the end. */
const told = z.union([
  z.object({ type: z.literal('delta'), text: z.string() }),
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

/** The subject on which an agent's instances wait for calls, in the queue group `agents`. */
export const invokeSubject = (tenant: string, agent: string): string => `troupe.${tenant}.agent.${agent}.invoke`;
/** The subject that tells whoever performs a run to stop. */
export const cancelSubject = (tenant: string, agent: string, run: string): string =>
  `troupe.${tenant}.agent.${agent}.cancel.${run}`;

/**
 * Calls whichever instance of the agent gets the message. Fails with `no_responders` when none listens (known at once),
 * `bad_answer`, `empty_answer`, `answer_too_large`, or as the agent said. On abort the agent is told to stop.
 */
export function subjectPerformer(
  transport: Transport,
  { maxAnswerBytes = 1024 * 1024 }: SubjectOptions = {},
): Performer {
  return async (call, io) => {
    io.signal.throwIfAborted();
    const { tried: _, ...rest } = call;
    const body = JSON.stringify({
      ...rest,
      input_message: { role: 'user', content: messageOf(call) },
      history: await io.history(),
    });
    const subject = invokeSubject(call.tenant, call.agent_id);
    const inbox = `_INBOX.troupe.${randomUUID()}`;
    const answer = Promise.withResolvers<AgentResult>();
    let said = '';
    let bytes = 0;
    const hear = (message: Message): void => {
      bytes += message.data.byteLength;
      if (bytes > maxAnswerBytes)
        throw new Failed('answer_too_large', `${subject} answered with more than ${maxAnswerBytes} bytes`, false);
      const one = read(message, subject);
      if (one.type === 'delta') {
        said += one.text;
        io.part(one.text);
      } else if (one.type === 'error') throw new Failed(one.code, one.message, one.retryable);
      else if (one.type === 'done' || one.type === undefined) {
        const final_message = one.final_message ?? said;
        if (final_message === '' && one.final_message === undefined)
          throw new Failed('empty_answer', `${subject} gave no answer`, false);
        answer.resolve({ type: 'answer', final_message, ...(one.usage && { usage: one.usage }) });
      } else answer.resolve(one);
    };
    const subscription = transport.subscribe(inbox, (message) => {
      try {
        hear(message);
      } catch (error) {
        answer.reject(error);
      }
    });
    const abort = (): void => {
      transport.publish(
        cancelSubject(call.tenant, call.agent_id, call.run_id),
        JSON.stringify({ attempt: call.attempt }),
      );
      answer.reject(io.signal.reason);
    };
    io.signal.addEventListener('abort', abort, { once: true });
    try {
      transport.publish(subject, body, {
        reply: inbox,
        headers: { 'Nats-Msg-Id': call.idempotency_key },
      });
      return await answer.promise;
    } finally {
      io.signal.removeEventListener('abort', abort);
      subscription.unsubscribe();
    }
  };
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
    // `nats reply` and its like answer in plain words.
    return { type: 'done', final_message: text, usage: undefined };
  }
  // JSON that is no message of ours, a bare number say, is what the agent answered.
  if (typeof value !== 'object' || value === null) return { type: 'done', final_message: text, usage: undefined };
  const parsed = told.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Failed('bad_answer', `${subject} sent a message of a wrong shape: ${z.prettifyError(parsed.error)}`);
}
