// Writes docs/events.md, the list of all emitted events with their members; with --check, says whether it is stale.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { jobEvent, schemasOf } from '../src/emitted/emitted.ts';
import { RUN_OUTCOMES } from '../src/emitted/run.ts';
import { sessionEvents } from '../src/emitted/session.ts';
import { attemptEvents } from '../src/emitted/task.ts';

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly description?: string;
}

const path = new URL('../docs/events.md', import.meta.url);
const content = `# Events

What a session tells, as every listener gets it: \`GET /v1/sessions/{session_id}/events\` and \`GET /v1/runs/{run_id}/events\` (server-sent
events), the WebSocket \`/v1/supervise\` (\`event\` names the type, \`data\` has the members), the subjects
\`troupe.{tenant}.session.{session_id}.event.{type}\` on NATS, and \`emitted\` in each entry of the journal.

Listeners get each event with \`id\`, its place in the journal (\`12.0\`: the first of entry 12), and \`at\`, ms since the epoch. Members with
\`?\` may be missing. What a member
means is said where a table first has it. Written from the schemas in \`src/emitted\` by \`npm run events\`; do not edit.

Two events are told and not emitted. \`agent_stream_delta\` (\`run_id\`, \`attempt\`, \`offset\`, \`text\`) is a piece of an answer while it is
written, and replaces everything from \`offset\` on; it has no id. \`state_change\` ends what an entry tells: how the session stands now,
with \`state\` and the \`event\` that led there; its id is the number of the entry. An agent of kind \`machine\` may emit events of
its own, which come with \`run_id\`, \`agent_id\` and \`attempt\`.

A run ends with ${ends(true)}; ${ends(false)} stop it until something is done about it.

## Sessions and their runs

${table(sessionEvents.flatMap(schemasOf))}

## What agents do within a run

Emitted by the charts of agents of kind \`llm\` and \`flow\`.

${table(attemptEvents.flatMap(schemasOf))}

## Jobs

In the journals of jobs; they are not sent to listeners of sessions.

${table(schemasOf(jobEvent))}
`;

if (!process.argv.includes('--check')) writeFileSync(path, content);
else if (!existsSync(path) || readFileSync(path, 'utf8') !== content) {
  console.error('stale: docs/events.md; write it again: npm run events');
  process.exitCode = 1;
}

function ends(wanted: boolean): string {
  const types = Object.entries(RUN_OUTCOMES).filter(([, outcome]) => 'waits_for' in outcome !== wanted);
  return types.map(([type]) => `\`${type}\``).join(', ');
}

function table(schemas: readonly z.ZodObject[]): string {
  const said = new Set<string>();
  const rows = schemas.map((schema) => {
    const { description = '', properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema;
    const { type, ...members } = properties;
    const listed = Object.entries(members).map(([name, member]) =>
      memberOf(name, member, required.includes(name), said),
    );
    return `| \`${type!.const}\` | ${description} | ${listed.join('<br>')} |`;
  });
  return ['| event | when | members |', '|---|---|---|', ...rows].join('\n');
}

function memberOf(name: string, schema: JsonSchema, isRequired: boolean, said: Set<string>): string {
  const meaning = schema.description && `: ${schema.description}`;
  const isNews = meaning !== undefined && !said.has(name + meaning);
  if (isNews) said.add(name + meaning);
  return `\`${name}${isRequired ? '' : '?'}\` ${typeOf(schema)}${isNews ? meaning : ''}`;
}

function typeOf({ type, const: only, enum: values, anyOf, items, properties }: JsonSchema): string {
  if (only !== undefined) return JSON.stringify(only);
  if (values) return values.map((value) => JSON.stringify(value)).join(' \\| ');
  if (anyOf) return anyOf.map(typeOf).join(' \\| ');
  if (items) return `list of ${typeOf(items)}`;
  if (properties) return `{ ${Object.keys(properties).join(', ')} }`;
  return [type ?? 'any JSON'].flat().join(' \\| ');
}
