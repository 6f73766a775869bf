// The objects of the Agent2Agent protocol 1.0 that sessions and runs map onto.
import { z } from 'zod';

export type TaskState =
  | 'TASK_STATE_SUBMITTED'
  | 'TASK_STATE_WORKING'
  | 'TASK_STATE_COMPLETED'
  | 'TASK_STATE_FAILED'
  | 'TASK_STATE_CANCELED'
  | 'TASK_STATE_INPUT_REQUIRED';

/** Has either `text` or `data`. */
export interface Part {
  readonly text?: string;
  readonly data?: unknown;
}

export interface Message {
  readonly messageId: string;
  readonly role: 'ROLE_USER' | 'ROLE_AGENT';
  readonly parts: readonly Part[];
  readonly taskId?: string;
  readonly contextId?: string;
}

export interface TaskStatus {
  readonly state: TaskState;
  readonly message?: Message;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
}

export interface Artifact {
  readonly artifactId: string;
  readonly name?: string;
  readonly parts: readonly Part[];
}

export interface Task {
  readonly id: string;
  readonly contextId: string;
  readonly status: TaskStatus;
  readonly artifacts?: readonly Artifact[];
  readonly history?: readonly Message[];
}

/** One item of a stream: the task first, then its updates. */
export type StreamResponse =
  | { readonly task: Task }
  | { readonly statusUpdate: { readonly taskId: string; readonly contextId: string; readonly status: TaskStatus } }
  | {
      readonly artifactUpdate: {
        readonly taskId: string;
        readonly contextId: string;
        readonly artifact: Artifact;
        /** Whether the text is appended to the artifact or replaces it. */
        readonly append: boolean;
        readonly lastChunk: boolean;
      };
    };

export const isTerminal = (state: TaskState): boolean =>
  state === 'TASK_STATE_COMPLETED' || state === 'TASK_STATE_FAILED' || state === 'TASK_STATE_CANCELED';

const part = z.looseObject({
  text: z.string().optional(),
  data: z.unknown().optional(),
  raw: z.string().optional(),
  url: z.string().optional(),
});

const message = z.looseObject({
  messageId: z.string().min(1).max(150),
  role: z.literal('ROLE_USER', 'must be ROLE_USER: clients speak as the user'),
  parts: z.array(part).min(1, 'must have at least one part'),
  contextId: z.string().optional(),
  taskId: z.string().optional(),
});
export type SentMessage = z.infer<typeof message>;

const count = z.int().min(0);
const id = z.string().min(1).max(200);

/** Schemas of each method's parameters. Unknown members are ignored, as the protocol demands. */
export const params = {
  SendMessage: z.looseObject({
    tenant: z.string().optional(),
    message,
    configuration: z
      .looseObject({
        returnImmediately: z.boolean().optional(),
        historyLength: count.optional(),
        taskPushNotificationConfig: z.unknown().optional(),
      })
      .optional(),
  }),
  GetTask: z.looseObject({ tenant: z.string().optional(), id, historyLength: count.optional() }),
  ListTasks: z.looseObject({
    tenant: z.string().optional(),
    contextId: z.string().optional(),
    status: z.string().optional(),
    pageSize: z.int().min(1).max(100).optional(),
    pageToken: z.string().optional(),
    historyLength: count.optional(),
    includeArtifacts: z.boolean().optional(),
  }),
  CancelTask: z.looseObject({ tenant: z.string().optional(), id }),
  SubscribeToTask: z.looseObject({ tenant: z.string().optional(), id }),
} as const;
export type Params<M extends keyof typeof params> = z.infer<(typeof params)[M]>;
