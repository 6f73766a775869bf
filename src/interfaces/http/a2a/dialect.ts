// The two versions of A2A: 1.0 unchanged, and 0.3, whose objects carry their type in `kind`.
import type { Artifact, Message, Part, StreamResponse, Task, TaskStatus } from './objects.ts';
import { isTerminal } from './objects.ts';

/** How one version names a method, reads its parameters and writes its results. */
export interface Dialect {
  /** The method's name in 1.0; undefined if 1.0 has no such method. */
  method(name: string): string | undefined;
  params(given: unknown): unknown;
  sent(task: Task): unknown;
  task(task: Task): unknown;
  event(event: StreamResponse): unknown;
}

const methods = new Set([
  ...['SendMessage', 'SendStreamingMessage', 'GetTask', 'ListTasks', 'CancelTask', 'SubscribeToTask'],
  ...['CreateTaskPushNotificationConfig', 'GetTaskPushNotificationConfig', 'ListTaskPushNotificationConfigs'],
  ...['DeleteTaskPushNotificationConfig', 'GetExtendedAgentCard'],
]);

export const isCurrentMethod = (name: string): boolean => methods.has(name);

export const current: Dialect = {
  method: (name) => (methods.has(name) ? name : undefined),
  params: (given) => given,
  sent: (task) => ({ task }),
  task: (task) => task,
  event: (event) => event,
};

const before: Readonly<Record<string, string>> = {
  'message/send': 'SendMessage',
  'message/stream': 'SendStreamingMessage',
  'tasks/get': 'GetTask',
  'tasks/cancel': 'CancelTask',
  'tasks/resubscribe': 'SubscribeToTask',
  'tasks/pushNotificationConfig/set': 'CreateTaskPushNotificationConfig',
  'tasks/pushNotificationConfig/get': 'GetTaskPushNotificationConfig',
  'tasks/pushNotificationConfig/list': 'ListTaskPushNotificationConfigs',
  'tasks/pushNotificationConfig/delete': 'DeleteTaskPushNotificationConfig',
  'agent/getAuthenticatedExtendedCard': 'GetExtendedAgentCard',
};

export const legacy: Dialect = {
  method: (name) => (Object.hasOwn(before, name) ? before[name] : undefined),
  params: paramsOf,
  sent: taskOf,
  task: taskOf,
  event(event) {
    if ('task' in event) return taskOf(event.task);
    if ('statusUpdate' in event) {
      const { status, ...rest } = event.statusUpdate;
      const final = isTerminal(status.state) || status.state === 'TASK_STATE_INPUT_REQUIRED';
      return { kind: 'status-update', ...rest, status: statusOf(status), final };
    }
    const { artifact, ...rest } = event.artifactUpdate;
    return { kind: 'artifact-update', ...rest, artifact: artifactOf(artifact) };
  },
};

type Loose = Record<string, any> | undefined;

function paramsOf(given: unknown): unknown {
  const { message, configuration, ...rest } = (given ?? {}) as Record<string, Loose>;
  if (!message) return given;
  const role = message.role === 'user' ? 'ROLE_USER' : message.role;
  const parts = Array.isArray(message.parts) ? message.parts.map(partFrom) : message.parts;
  const { blocking, ...others } = configuration ?? {};
  const returnImmediately = blocking === undefined ? undefined : !blocking;
  return { ...rest, message: { ...message, role, parts }, configuration: { ...others, returnImmediately } };
}

function partFrom(part: Loose): unknown {
  if (part?.kind !== 'file') return part;
  return { raw: part.file?.bytes, url: part.file?.uri };
}

const lower = (state: string): string => state.replace('TASK_STATE_', '').toLowerCase().replaceAll('_', '-');

const partOf = (part: Part): object => ({ kind: part.text === undefined ? 'data' : 'text', ...part });
const artifactOf = ({ parts, ...rest }: Artifact): object => ({ ...rest, parts: parts.map(partOf) });
const messageOf = ({ role, parts, ...rest }: Message): object => ({
  kind: 'message',
  ...rest,
  role: role === 'ROLE_USER' ? 'user' : 'agent',
  parts: parts.map(partOf),
});
const statusOf = ({ state, message, timestamp }: TaskStatus): object => ({
  state: lower(state),
  ...(message && { message: messageOf(message) }),
  timestamp,
});

function taskOf({ id, contextId, status, artifacts, history }: Task): object {
  return {
    kind: 'task',
    id,
    contextId,
    status: statusOf(status),
    ...(artifacts && { artifacts: artifacts.map(artifactOf) }),
    ...(history && { history: history.map(messageOf) }),
  };
}
