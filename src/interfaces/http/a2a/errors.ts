// Errors for A2A clients: JSON-RPC errors with the protocol's codes.
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
  /** For refusals that the protocol has no code for, such as denied access and back-pressure. The reason names which. */
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

/** A refusal with one of the protocol's codes. */
export const refusal = (code: A2aCode, message: string): Refused => new Refused(code, message);

/** The runtime's codes that the protocol names differently. */
const aliases: Readonly<Record<string, A2aCode>> = {
  bad_request: 'invalid_params',
  bad_id: 'invalid_params',
  too_deep: 'invalid_request',
  unknown_agent: 'invalid_params',
  unknown_run: 'task_not_found',
  unknown_session: 'task_not_found',
  illegal_in_state: 'unsupported_operation',
};

/** Any error as a JSON-RPC error. The client does not see the details of an internal error. */
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
