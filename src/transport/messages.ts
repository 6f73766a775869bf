// Messages on subjects for programs that embed a runtime: bodies are JSON, and what goes wrong is a refusal that says why.
import { Refused } from '../platform/errors.ts';
import { type Headers, type Message, NoResponders, type Subscription, type Transport } from './transport.ts';

/** What goes out: text and bytes as they are, anything else as JSON. */
export type MessageBody = string | Uint8Array | object | number | boolean | null;

export interface SubjectOptions {
  readonly headers?: Headers;
}

export interface RequestSubjectOptions extends SubjectOptions {
  /** How long the reply may take, ms; 5,000 unless told. */
  readonly timeout_ms?: number;
}

export interface SubscribeOptions {
  /** Of the subscribers that name the same queue group one gets each message. */
  readonly queue?: string;
}

/** A message as a subscriber gets it, or the reply to a request. */
export interface SubjectMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Readonly<Headers>;
  /** Where a reply is expected, if one is. */
  readonly reply: string | undefined;
  text(): string;
  /** The body read as JSON, unchecked. Throws `Refused('bad_json')` when it is none. */
  json(): unknown;
  /** Publishes a reply. Throws `Refused('no_reply_expected')` when the message is no request. */
  respond(body: MessageBody, options?: SubjectOptions): void;
}

export type SubjectHandler = (message: SubjectMessage) => void | Promise<void>;

/** Throws `Refused`: `bad_subject`, `message_too_large`. */
export function publishOn(
  transport: Transport,
  subject: string,
  body: MessageBody,
  { headers }: SubjectOptions = {},
): void {
  try {
    transport.publish(subject, encoded(body), { headers });
  } catch (error) {
    throw asRefused(error, subject);
  }
}

/** Throws `Refused('bad_subject')`. */
export function subscribeTo(
  transport: Transport,
  subject: string,
  handler: SubjectHandler,
  { queue }: SubscribeOptions = {},
): Subscription {
  try {
    // The transport reports what a handler rejects with.
    return transport.subscribe(subject, (message) => handler(messageFor(transport, message)), { queue });
  } catch (error) {
    throw asRefused(error, subject);
  }
}

/** Rejects with `Refused`: `bad_subject`, `no_responders`, `timed_out`, `message_too_large`, `subject_denied`. */
export async function requestOn(
  transport: Transport,
  subject: string,
  body: MessageBody,
  { headers, timeout_ms = 5_000 }: RequestSubjectOptions = {},
): Promise<SubjectMessage> {
  try {
    return messageFor(transport, await transport.request(subject, encoded(body), { headers, timeout: timeout_ms }));
  } catch (error) {
    throw asRefused(error, subject);
  }
}

const encoded = (body: MessageBody): string | Uint8Array =>
  typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);

const decoder = new TextDecoder();

function messageFor(transport: Transport, { subject, data, headers = {}, reply }: Message): SubjectMessage {
  const text = () => decoder.decode(data);
  return {
    subject,
    data,
    headers,
    reply,
    text,
    json() {
      try {
        return JSON.parse(text());
      } catch {
        throw new Refused('bad_json', `the message on ${subject} is no JSON`);
      }
    },
    respond(body, options) {
      if (reply === undefined)
        throw new Refused('no_reply_expected', `the message on ${subject} asks for no reply`, 409);
      publishOn(transport, reply, body, options);
    },
  };
}

/** Matched by name: importing the error classes of the NATS transport would load the NATS client. */
const refusals: Readonly<Record<string, readonly [code: string, status: number]>> = {
  BadSubject: ['bad_subject', 400],
  NoResponders: ['no_responders', 503],
  RequestTimeout: ['timed_out', 504],
  MessageTooLarge: ['message_too_large', 413],
  Denied: ['subject_denied', 403],
};

function asRefused(error: unknown, subject: string): unknown {
  if (!(error instanceof Error)) return error;
  const [code, status] = refusals[error.name] ?? [];
  if (code === undefined) return error;
  const message = error instanceof NoResponders ? `nobody is subscribed to ${subject}` : error.message;
  return Object.assign(new Refused(code, message, status), { cause: error });
}
