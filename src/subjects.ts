// The door for messages on subjects: any client of the transport can talk to a session, steer it and watch it.
import { bodies, type Verb } from '../machines/session/events.ts';
import type { Conversations } from './conversation.ts';
import { parseBody } from './conversation.ts';
import { Refused } from './errors.ts';
import type { Key } from './journal.ts';
import type { Message, Transport } from './transport.ts';
import type { Troupe } from './troupe.ts';

/** `troupe.<tenant>.session.<id>.<verb>`, request and reply. */
const REQUESTS = 'troupe.*.session.*.*';
/** One of the nodes takes each request. */
const QUEUE = 'troupe';

/** Serves the subjects of a runtime on a transport. Returns the function that stops it. */
export function serveSubjects(troupe: Troupe, transport: Transport): () => void {
  const requests = transport.subscribe(REQUESTS, (message) => void answer(troupe, transport, message), {
    queue: QUEUE,
  });
  const tell = (subject: string, told: () => object): void => {
    if (transport.hears?.(subject) ?? true) transport.publish(subject, JSON.stringify(told()));
  };
  const unfollow = troupe.orchestrator.hearAll((key, entry) => {
    if (key.session.startsWith('@')) return;
    const { n, at, state, event } = entry;
    const base = eventsOf(key);
    entry.emitted.forEach((told, k) => {
      tell(`${base}.${told.type}`, () => ({ ...told, id: `${n}.${k}`, at }));
    });
    tell(`${base}.state_change`, () => ({ type: 'state_change', id: `${n}`, at, state, event: event.type }));
  });
  const unlisten = troupe.orchestrator.listenAll((key, part) => {
    tell(`${eventsOf(key)}.agent_stream_delta`, () => ({ type: 'agent_stream_delta', ...part }));
  });
  return () => {
    requests.unsubscribe();
    unfollow();
    unlisten();
  };
}

const eventsOf = ({ tenant, session }: Key): string => `troupe.${tenant}.session.${session}.event`;

async function answer(troupe: Troupe, transport: Transport, message: Message): Promise<void> {
  const { reply } = message;
  try {
    const result = await perform(troupe.conversations, message);
    if (reply) transport.publish(reply, JSON.stringify(result));
  } catch (error) {
    const problem = problemOf(error);
    if (!(error instanceof Refused)) troupe.log.error({ err: error, subject: message.subject }, 'a request broke');
    if (!reply) return;
    const headers = {
      'Nats-Service-Error': oneLine(problem.detail),
      'Nats-Service-Error-Code': String(problem.status),
    };
    transport.publish(reply, JSON.stringify(problem), { headers });
  }
}

async function perform(conversations: Conversations, { subject, data, headers }: Message): Promise<unknown> {
  const [, tenant, , id, verb] = subject.split('.') as [string, string, string, string, string];
  const key = conversations.key(tenant, id);
  const idempotencyKey = headers?.['Nats-Msg-Id'];
  if (verb === 'get') return conversations.view(key);
  if (!(verb in bodies))
    throw new Refused(
      'unknown_verb',
      `"${verb}" is no verb; there are ${[...Object.keys(bodies), 'get'].join(', ')}`,
      404,
    );
  const body = jsonOf(data);
  if (verb === 'message') return conversations.send(key, parseBody('message', body), { idempotencyKey });
  const command = verb as Exclude<Verb, 'message'>;
  return conversations.command(key, command, parseBody(command, body), idempotencyKey);
}

function jsonOf(data: Uint8Array): unknown {
  if (data.byteLength === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
  } catch {
    throw new Refused('bad_json', 'the payload is not JSON in UTF-8');
  }
}

/** The members of the HTTP problem, so that a caller reads the same on both doors. */
function problemOf(error: unknown) {
  if (!(error instanceof Refused)) return { status: 500, code: 'internal', detail: 'the request broke the runtime' };
  return { status: error.status, code: error.code, detail: error.message, ...error.details };
}

// A header ends at the end of its line.
const oneLine = (text: string): string => text.replace(/[\r\n]+/g, ' ').slice(0, 500);
