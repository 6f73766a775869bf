// Response schemas of the routes: they document the interface, type the handlers, and the tests validate responses with them.
import { z } from 'zod';
import type { RunEvent, RunView, TranscriptMessage } from '../../../actors/transcript.ts';
import type { Asks, SessionView } from '../../../actors/view.ts';
import { bodies, type Verb } from '../../../machines/session/events.ts';
import type { AgentView } from '../../agents/agent.ts';
import type { TracedEntry, Transition } from '../../charts/transitions.ts';
import { schemasOf, sessionEvent } from '../../emitted/emitted.ts';
import type { Entry } from '../../journal/journal.ts';
import type { Outcome } from '../../sessions/outcome.ts';

const verbs = Object.keys(bodies) as Verb[];
const time = z.number().describe('ms since the epoch');

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().describe('stable; what programs should look at'),
    detail: z.string(),
    instance: z.string(),
  })
  .describe('RFC 9457 problem document; further members depend on the code');

const asks: z.ZodType<Asks> = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('approval'), action: z.string(), summary: z.string(), details: z.unknown().optional() }),
    z.object({ kind: z.literal('tool'), name: z.string(), arguments: z.unknown() }),
  ])
  .describe('what the open question is about');

export const sessionView: z.ZodType<SessionView> = z.object({
  session_id: z.string(),
  control: z.enum(['automated', 'pausing', 'paused', 'human', 'closed', 'failed']),
  turn: z.string().nullable().describe('e.g. `idle` or `running.attempting`; null when the session has ended'),
  epoch: z.int().describe('raised by every takeover and release'),
  holder: z.string().nullable().describe('the person who has the floor'),
  run: z
    .object({
      run_id: z.string(),
      agent_id: z.string().nullable(),
      attempt: z.int(),
      question: z.string().nullable().describe('the approval or tool call that it waits for'),
      asks: asks.optional(),
    })
    .nullable(),
  waiting: z.int().describe('messages that wait'),
  entry: z.int().describe('the number of the last entry'),
  allowed: z.array(z.enum(verbs)).optional().describe('the verbs that the chart accepts now, its guards asked'),
});

export const sessionList = z.object({
  sessions: z.array(
    z.object({
      session_id: z.string(),
      state: z.string(),
      control: z.string(),
      turn: z.string().nullable(),
      entry: z.int(),
      updated_at: time,
      question: z.string().optional().describe('where the session waits for an approval or a tool: which one'),
      asks: asks.optional(),
    }),
  ),
  next_cursor: z.string().optional(),
});

const emitted = z.looseObject({ type: z.string() });

const place = { id: z.string().describe('its place in the journal of the session'), at: time };
const delta = z
  .object({
    type: z.literal('agent_stream_delta'),
    run_id: z.string(),
    attempt: z.int(),
    offset: z.int().describe('it replaces everything of this attempt from here on'),
    text: z.string(),
  })
  .describe('A piece of an answer.');

/** An event of a run. It passes as it is, for an agent's own chart may emit anything; the document says what each known one holds. */
export const runEvent = emitted.extend(place).meta({
  id: 'Event',
  description: 'An event; a type that is not listed was emitted by the own chart of an agent of kind `machine`',
  anyOf: [...schemasOf(sessionEvent), delta].map((one) => {
    const { $schema: _, ...schema } = z.toJSONSchema(one.extend(place), { io: 'input' });
    return schema;
  }),
}) as unknown as z.ZodType<RunEvent>;

export const outcome: z.ZodType<Outcome> = z.object({
  status: z.enum([
    ...(['done', 'awaiting_input', 'awaiting_approval', 'awaiting_tool'] as const),
    ...(['accepted', 'suspended', 'failed', 'cancelled'] as const),
  ]),
  run_id: z.string(),
  message_id: z.string(),
  agent_id: z.string().nullable(),
  answer: z.string().nullable(),
  trace: z.array(runEvent),
  error: z.object({ code: z.string(), message: z.string(), retry_after_s: z.number().optional() }).optional(),
  question: emitted.optional() as unknown as z.ZodType<Outcome['question']>,
  state: sessionView,
});

export const transcript: z.ZodType<{ messages: TranscriptMessage[] }> = z.object({
  messages: z.array(
    z.object({
      role: z.enum(['user', 'assistant', 'supervisor', 'tool']),
      content: z.string(),
      n: z.int().describe('the entry it comes from'),
      at: time,
      message_id: z.string().optional(),
      run_id: z.string().optional(),
      agent_id: z.string().optional(),
      by: z.string().optional(),
      mode: z.enum(['speak', 'whisper', 'note']).optional(),
    }),
  ),
});

const entry = z.looseObject({ n: z.int(), at: time, machine: z.string(), event: emitted, state: z.string() });

export const entries = z.array(entry) as unknown as z.ZodType<Entry[]>;

export const transitions: z.ZodType<Transition[]> = z.array(
  z.object({
    id: z.string().describe('the id of an edge in `GET /v1/machines`'),
    source: z.string(),
    targets: z.array(z.string()).describe('none when it only acts'),
    kind: z.enum(['event', 'after', 'done', 'error', 'always']),
    event: z.string().describe('its type, or the pattern that it fits; empty for `always`'),
    guard: z.string().optional().describe('the guard that held, in words where several are joined'),
  }),
);

export const journal = z.object({
  entries: z.array(
    entry.extend({ transitions: transitions.nullable().optional().describe('in the order in which they were taken') }),
  ) as unknown as z.ZodType<(Entry | TracedEntry)[]>,
});

export const runView: z.ZodType<RunView> = z.object({
  run_id: z.string(),
  session_id: z.string(),
  status: z.enum(['CREATED', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED']),
  agent_id: z.string().nullable(),
  attempts: z.int(),
  waiting_for: z.enum(['input', 'approval', 'tool', 'resume']).optional(),
  final_message: z.string().optional(),
  usage: z.unknown().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  reason: z.string().optional(),
  joined: z.string().optional().describe('the run that answers this one too'),
  created_at: time,
  updated_at: time,
});

export const runEvents = z.object({ events: z.array(runEvent) });

const milliseconds = z.number().nullable();

export const agentView: z.ZodType<AgentView> = z.object({
  agent_id: z.string(),
  kind: z.enum(['function', 'form', 'http', 'nats']),
  description: z.string(),
  capabilities: z.array(z.string()),
  state: z.string(),
  endpoints: z.array(
    z.object({
      id: z.string(),
      url: z.string().optional(),
      state: z.string().describe('the states of its chart, e.g. `available.busy`'),
      breaker: z.enum(['closed', 'open', 'halfOpen']),
      in_flight: z.int(),
      capacity: z.int().optional(),
      requests: z.int(),
      failures: z.int(),
      success_rate: z.number().describe('0 to 1, over its last 256 calls'),
      latency_ms: z.object({ avg: milliseconds, p50: milliseconds, p95: milliseconds, p99: milliseconds }),
      last_check: time.nullable(),
      last_error: z.object({ code: z.string(), message: z.string(), at: time }).nullable(),
    }),
  ),
});

export const active = z.object({
  agents: z.array(
    z.object({ session_id: z.string(), run_id: z.string(), agent_id: z.string().nullable(), status: z.string() }),
  ),
});
