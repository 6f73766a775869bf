// Who needs which subjects: the permissions of a nats-server's users, made of the same names that the program uses.
import { cancelSubject, invokeSubject } from '../../agents/performers/subject.ts';
import { freeSubject } from '../../cluster/handover.ts';
import { pingSubject } from '../../cluster/members.ts';
import { NAME, NODES_BUCKET, SHARDS_BUCKET } from '../../cluster/node.ts';
import { removalsOf } from '../../journal/jetstream/listing.ts';
import { Subjects } from '../../journal/jetstream/messages.ts';
import { streamOf } from '../../journal/jetstream/stream.ts';
import { answerInbox, callerInbox, NODE_INBOX } from '../../nats/inboxes.ts';
import { CHANGED } from '../../routing/registry.ts';
import { offeredSubject } from './agent-protocol.ts';
import { eventsOf, HEARTBEATS, heartbeatSubject, REQUESTS, requestSubject } from './subjects.ts';

export const roles = ['node', 'agent', 'client', 'supervisor'] as const;
export type Role = (typeof roles)[number];

export interface Scope {
  /** Whose sessions and agents; `*` for all tenants. */
  readonly tenant: string;
  /** Which agent; `*` for all of the tenant. */
  readonly agent: string;
}

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** What the connection's inboxes must begin with; the client library calls it the inbox prefix. */
  readonly inbox?: string;
}

/** What a user of this role may publish and subscribe to. A node serves every tenant. */
export function permissionsOf(role: Role, { tenant, agent }: Scope): Permissions {
  const events = `${eventsOf({ tenant, session: '*' })}.>`;
  const verbs = (...names: string[]) => names.map((verb) => requestSubject(tenant, '*', verb));
  switch (role) {
    case 'node':
      return NODE;
    case 'agent':
      return {
        publish: [`${answerInbox(tenant, agent)}.>`, heartbeatSubject(tenant, agent)],
        subscribe: [invokeSubject(tenant, agent), cancelSubject(tenant, agent, '*')],
      };
    case 'client': {
      const inbox = callerInbox(role, tenant);
      return {
        publish: verbs('message', 'tool_result', 'cancel', 'get'),
        subscribe: [events, `${inbox}.>`],
        inbox,
      };
    }
    case 'supervisor': {
      const inbox = callerInbox(role, tenant);
      return { publish: verbs('*'), subscribe: [events, `${inbox}.>`], inbox };
    }
  }
}

const ALL = { tenant: '*', session: '*' };
/** Nodes trust each other, whatever it is that they ask: the journal is open to all of them. */
const BETWEEN_NODES = pingSubject('*').replace(/\*.*/, '>');
const TO_ALL_NODES = [freeSubject('*'), CHANGED, `${removalsOf(NAME)}.*.*`];
const JOURNAL = streamOf(NAME);

/** What is asked of JetStream about one stream. No node can delete a stream, or read another one. */
const asked = (stream: string): string[] => [
  ...['INFO', 'CREATE', 'MSG.GET', 'PURGE'].map((verb) => `$JS.API.STREAM.${verb}.${stream}`),
  `$JS.API.DIRECT.GET.${stream}`,
  `$JS.API.DIRECT.GET.${stream}.>`,
  ...['CREATE', 'INFO', 'DELETE'].map((verb) => `$JS.API.CONSUMER.${verb}.${stream}.>`),
  `$JS.API.CONSUMER.CREATE.${stream}`,
  // The answers of flow control.
  `$JS.FC.${stream}.>`,
];

const NODE: Permissions = {
  publish: [
    new Subjects(NAME, 1).all(),
    '$JS.API.INFO',
    ...[JOURNAL, `KV_${NODES_BUCKET}`, `KV_${SHARDS_BUCKET}`].flatMap(asked),
    ...[NODES_BUCKET, SHARDS_BUCKET].map((bucket) => `$KV.${bucket}.>`),
    BETWEEN_NODES,
    ...TO_ALL_NODES,
    `${eventsOf(ALL)}.>`,
    invokeSubject('*', '*'),
    cancelSubject('*', '*', '*'),
    offeredSubject('hb', '*', '*'),
    // Whoever asks is answered.
    '_INBOX.>',
  ],
  subscribe: [
    BETWEEN_NODES,
    ...TO_ALL_NODES,
    REQUESTS,
    `${eventsOf(ALL)}.>`,
    HEARTBEATS,
    `${NODE_INBOX}.>`,
    `${answerInbox('*', '*')}.>`,
    offeredSubject('prompt', '*', '*'),
    offeredSubject('status', '*', '*'),
    '$SRV.>',
  ],
  inbox: NODE_INBOX,
};

/** An `authorization` block for these roles. Passwords are taken from the server's environment. */
export function authorization(wanted: readonly Role[], scope: Scope): string {
  const users = wanted.map((role) => user(role, permissionsOf(role, scope)));
  return `authorization {\n  users: [\n${users.join('\n')}\n  ]\n}\n`;
}

function user(role: Role, { publish, subscribe, inbox }: Permissions): string {
  const list = (subjects: readonly string[]) => subjects.map((subject) => `          "${subject}"`).join('\n');
  const needs = inbox === undefined || role === 'node' ? [] : [`    # connects with the inbox prefix ${inbox}`];
  return [
    ...needs,
    '    {',
    `      user: "${role}", password: $TROUPE_${role.toUpperCase()}_PASSWORD`,
    '      permissions: {',
    `        publish: [\n${list(publish)}\n        ]`,
    `        subscribe: [\n${list(subscribe)}\n        ]`,
    '      }',
    '    }',
  ].join('\n');
}
