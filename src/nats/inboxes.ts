// Prefixes of reply inboxes. Each role has its own, so that a server's permissions can keep one role from reading
// another's replies.

/** The prefix of a node's inboxes. */
export const NODE_INBOX = '_INBOX.troupe.node';

/** The inbox for replies of a tenant's agent; each call gets its own subject below it. */
export const answerInbox = (tenant: string, agent: string): string => `_INBOX.troupe.agent.${tenant}.${agent}`;

/** The inbox prefix of a client or a supervisor where the server restricts permissions. */
export const callerInbox = (role: 'client' | 'supervisor', tenant: string): string => `_INBOX.${role}.${tenant}`;
