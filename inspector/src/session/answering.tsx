// The question that the run waits with: approve, reject, or change what is to be done; or hand in what the caller's tool gave.
import { useState } from 'react';
import { useKey } from '../keys.tsx';
import { pretty } from '../words.ts';
import { decide, handIn, nameNow, type Shared } from './actions.tsx';
import type { Question } from './model.ts';

type AnsweringProps = Shared & { readonly question: Question };

export const Answering = (props: AnsweringProps) =>
  props.question.kind === 'tool' ? <ToolResult {...props} /> : <Approval {...props} />;

function Approval({ id, allowed, send, question }: AnsweringProps) {
  const [edited, setEdited] = useState<string>();
  const [reason, setReason] = useState('');
  const [problem, setProblem] = useState<string>();
  const enabled = allowed.has('approve');
  const say = (decision: 'approve' | 'reject', args?: unknown): void => {
    const body = { decision, by: nameNow(), reason: reason || undefined, arguments: args };
    void send(() => decide(id, question.id, body));
  };
  const approve = (): void => {
    try {
      say('approve', edited === undefined ? undefined : JSON.parse(edited));
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  const edit = (): void => setEdited(edited === undefined ? pretty(argumentsOf(question)) : undefined);
  useKey('a', 'Approve', approve, enabled);
  useKey('x', 'Reject', () => say('reject'), enabled);
  useKey('e', 'Edit what is to be done', edit, enabled);
  return (
    <section className="question" aria-label="Approval" data-testid="approval">
      <h2>
        {question.agent_id ?? 'The agent'} asks: {question.summary ?? question.action}
      </h2>
      {edited === undefined ? (
        question.details !== undefined && <pre>{pretty(question.details)}</pre>
      ) : (
        <textarea
          className="mono"
          rows={6}
          aria-label="What is to be done instead, as JSON"
          value={edited}
          onChange={(event) => setEdited(event.target.value)}
          data-testid="approval-arguments"
        />
      )}
      <div className="bar">
        <button
          type="button"
          className="primary"
          disabled={!enabled}
          onClick={approve}
          data-testid="action-approve"
          aria-keyshortcuts="a"
        >
          {edited === undefined ? 'Approve' : 'Approve as edited'}
        </button>
        <button
          type="button"
          className="danger"
          disabled={!enabled}
          onClick={() => say('reject')}
          data-testid="action-reject"
          aria-keyshortcuts="x"
        >
          Reject
        </button>
        <button type="button" disabled={!enabled} onClick={edit} data-testid="action-edit" aria-keyshortcuts="e">
          {edited === undefined ? 'Edit' : 'As asked'}
        </button>
        <input
          aria-label="Reason"
          placeholder="Reason"
          maxLength={2000}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
          data-testid="approval-reason"
        />
      </div>
      {problem && <p className="notice">This is no JSON: {problem}</p>}
    </section>
  );
}

/** What is to be done, as far as the agent said it. */
function argumentsOf({ details }: Question): unknown {
  return (details as { arguments?: unknown } | undefined)?.arguments ?? details ?? {};
}

function ToolResult({ id, allowed, send, question }: AnsweringProps) {
  const [text, setText] = useState('');
  const enabled = allowed.has('tool_result');
  const hand = (failed: boolean): void => {
    const result = parsed(text);
    void send(() => handIn(id, question.id, failed ? { error: text || 'the tool failed' } : { result }));
  };
  return (
    <section className="question" aria-label="Tool call" data-testid="tool-call">
      <h2>
        {question.agent_id ?? 'The agent'} waits for <span className="mono">{question.name}</span> at the caller
      </h2>
      <pre>{pretty(question.arguments ?? {})}</pre>
      <textarea
        className="mono"
        rows={2}
        aria-label="The result, as JSON or text"
        placeholder="The result, as JSON or text"
        value={text}
        onChange={(event) => setText(event.target.value)}
        data-testid="tool-result"
      />
      <div className="bar">
        <button
          type="button"
          className="primary"
          disabled={!enabled}
          onClick={() => hand(false)}
          data-testid="action-tool-result"
        >
          Hand in the result
        </button>
        <button
          type="button"
          className="danger"
          disabled={!enabled}
          onClick={() => hand(true)}
          data-testid="action-tool-error"
        >
          It failed
        </button>
      </div>
    </section>
  );
}

/** JSON where it is JSON, text where it is not. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
