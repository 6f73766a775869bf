// The permissions of a nats-server's users per role, built from the subject names that the code uses.
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
  /** Tenant of the sessions and agents; `*` for all tenants. */
  readonly tenant: string;
  /** The agent; `*` for all agents of the tenant. */
  readonly agent: string;
}

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Inbox prefix that the connection must use. */
  readonly inbox?: string;
}

/** Subjects that a user of this role may publish and subscribe to. A node serves every tenant. */
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
/** Nodes trust each other with any question: each of them can read the whole journal. */
const BETWEEN_NODES = pingSubject('*').replace(/\*.*/, '>');
const TO_ALL_NODES = [freeSubject('*'), CHANGED, `${removalsOf(NAME)}.*.*`];
const JOURNAL = streamOf(NAME);

/** The JetStream API subjects of one stream. A node can neither delete the stream nor read another one. */
const asked = (stream: string): string[] => [
  ...['INFO', 'CREATE', 'MSG.GET', 'PURGE'].map((verb) => `$JS.API.STREAM.${verb}.${stream}`),
  `$JS.API.DIRECT.GET.${stream}`,
  `$JS.API.DIRECT.GET.${stream}.>`,
  ...['CREATE', 'INFO', 'DELETE'].map((verb) => `$JS.API.CONSUMER.${verb}.${stream}.>`),
  `$JS.API.CONSUMER.CREATE.${stream}`,
  // Replies to flow control messages.
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
    // Replies to requests.
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

/** An `authorization` block for these roles. The server reads the passwords from its environment. */
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
