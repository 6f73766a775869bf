// What an A2A client is told when something went wrong: JSON-RPC errors with the codes of the protocol.
import { Refused } from '../../../platform/errors.ts';
import { asRefused } from '../problems.ts';

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: readonly object[];
}

const codes = {
  bad_json: -32700,
  invalid_request: -32600,
  method_not_found: -32601,
  invalid_params: -32602,
  internal: -32603,
  /** What the protocol has no code for: not permitted, too much at once. The reason says which. */
  refused: -32000,
  task_not_found: -32001,
  task_not_cancelable: -32002,
  push_notification_not_supported: -32003,
  unsupported_operation: -32004,
  content_type_not_supported: -32005,
  extended_agent_card_not_configured: -32007,
  version_not_supported: -32009,
} as const;
export type A2aCode = keyof typeof codes;

/** A refusal in the protocol's own terms. */
export const refusal = (code: A2aCode, message: string): Refused => new Refused(code, message);

/** What the runtime calls differently. */
const aliases: Readonly<Record<string, A2aCode>> = {
  bad_request: 'invalid_params',
  bad_id: 'invalid_params',
  too_deep: 'invalid_request',
  unknown_agent: 'invalid_params',
  unknown_run: 'task_not_found',
  unknown_session: 'task_not_found',
  illegal_in_state: 'unsupported_operation',
};

/** Anything thrown, as a JSON-RPC error. What we did wrong is not the caller's to read. */
export function rpcErrorOf(error: unknown): RpcError {
  const { code: own, message, details, status } = asRefused(error);
  const other = status >= 500 && !(error instanceof Refused) ? 'internal' : 'refused';
  const name = Object.hasOwn(codes, own) ? (own as A2aCode) : (aliases[own] ?? other);
  const violations = (details.issues as { field: string; message: string }[] | undefined)?.map((issue) => ({
    field: issue.field,
    description: issue.message,
  }));
  const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', domain: 'a2a-protocol.org' };
  const data: object[] = [{ ...info, reason: (name === other ? own : name).toUpperCase() }];
  if (violations) data.push({ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: violations });
  return { code: codes[name], message, data };
}
