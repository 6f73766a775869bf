// Where replies come to. Each role has inboxes of its own, so that a server's permissions can keep one from hearing another's.

/** What every inbox of a node begins with. */
export const NODE_INBOX = '_INBOX.troupe.node';

/** Where an agent of a tenant answers: each call has a place of its own below it. */
export const answerInbox = (tenant: string, agent: string): string => `_INBOX.troupe.agent.${tenant}.${agent}`;

/** What the inboxes of a client, or of a supervisor, must begin with where permissions are set: its `inbox prefix`. */
export const callerInbox = (role: 'client' | 'supervisor', tenant: string): string => `_INBOX.${role}.${tenant}`;
