// Maps the entries and deltas of one run to events of the Agent User Interaction Protocol.
import type { Part } from '../../../../actors/parts.ts';
import type { ToolStep } from '../../../../actors/performer.ts';
import type { SessionContext } from '../../../../machines/session/events.ts';
import type { Usage } from '../../../agents/definition.ts';
import type { Emitted, EmittedOf } from '../../../emitted/emitted.ts';
import { runOf } from '../../../emitted/run.ts';
import type { Entry } from '../../../journal/journal.ts';
import { type AgUiMessage, approvalSchema, type RunAgentInput } from './input.ts';

export interface AgUiEvent {
  readonly type: string;
  readonly [member: string]: unknown;
}

interface Interrupt {
  readonly id: string;
  readonly reason: 'tool_call' | 'confirmation';
  readonly message: string;
  readonly toolCallId?: string;
  readonly responseSchema: object;
  readonly expiresAt: string;
  readonly metadata: object;
}

/** The answer that is streaming. */
interface Writing {
  readonly id: string;
  text: string;
}

export class RunTelling {
  readonly #input: RunAgentInput;
  readonly #calls: Set<string>;
  /** The run, or the one that answers for it after they were joined. */
  #run: string;
  #events: AgUiEvent[] = [];
  /** The completed messages, as the client has them. */
  readonly #messages: object[];
  #writing: Writing | undefined;
  /** The streaming attempt and its text so far. */
  #streamed = { attempt: 0, text: '' };
  /** The part of this run's answer that the client received before the question. */
  readonly #seen: string;
  #serial = 0;
  #usage: Usage | undefined;
  #interrupt: Interrupt | undefined;
  #error: { readonly message: string; readonly code: string } | undefined;

  /** `before` has the tool calls that the client already received, if the run continues after a question. */
  constructor(input: RunAgentInput, run_id: string, before?: readonly string[]) {
    this.#input = input;
    this.#run = run_id;
    this.#calls = new Set(before);
    this.#seen = before ? lastAnswer(input.messages) : '';
    this.#messages = [...(input.messages as AgUiMessage[])];
  }

  /** Maps a delta. The protocol only appends, so text that no longer holds is withdrawn as a whole. */
  part({ run_id, attempt, offset, text }: Part): AgUiEvent[] {
    if (run_id !== this.#run) return [];
    if (this.#streamed.attempt !== attempt) {
      if (this.#writing) this.#withdraw();
      this.#streamed = { attempt, text: '' };
    }
    this.#streamed.text = this.#streamed.text.slice(0, offset) + text;
    // An attempt that streams again from the beginning is behind the client's text for a while.
    const whole = this.#unseen(this.#streamed.text);
    if (!this.#writing?.text.startsWith(whole)) this.#write(whole);
    return this.#flush();
  }

  entry(entry: Entry): AgUiEvent[] {
    const atCaller = entry.emitted.find((one) => one.type === 'tool_requested')?.name;
    for (const one of entry.emitted) {
      if (one.type === 'run_joined' && one.run_id === this.#run) this.#run = one.into;
      else if (one.type === 'supervisor_message' && one.mode === 'speak') this.#spoken(one);
      else if (one.type === 'control_changed') this.#emit({ type: 'CUSTOM', name: one.type, value: one });
      // A call that the client makes is shown once, under the name that its result must carry.
      else if (runOf(one) === this.#run && !(one.type === 'tool_called' && one.name === atCaller))
        this.#ofRun(one, entry);
    }
    return this.#flush();
  }

  /** The last event of the run. */
  end(status: string): AgUiEvent[] {
    if (this.#writing) this.#withdraw();
    const { threadId, runId } = this.#input;
    const usage = this.#usage && [usageOf(this.#usage)];
    if (this.#error) this.#emit({ type: 'RUN_ERROR', ...this.#error, usage });
    else {
      const outcome = this.#interrupt ? { type: 'interrupt', interrupts: [this.#interrupt] } : { type: 'success' };
      this.#emit({ type: 'RUN_FINISHED', threadId, runId, outcome, result: { status, run_id: this.#run }, usage });
    }
    return this.#flush();
  }

  #ofRun(one: Emitted, entry: Entry): void {
    if (one.type === 'agent_invoke_done') this.#done(one);
    else if (one.type === 'input_requested') this.#finish(one.prompt);
    else if (one.type === 'tool_called') this.#called(one.call, one.name, one.arguments);
    else if (one.type === 'tool_finished') this.#returned(one.call, one.error ?? one.output);
    else if (one.type === 'tool_requested') this.#awaited(one.call, one.name, one.arguments);
    else if (one.type === 'approval_requested') this.#asked(one, entry);
    else if (one.type === 'run_failed') this.#error = { message: one.message, code: one.code };
    else if (one.type === 'run_cancelled')
      this.#error = { message: `the run was cancelled: ${one.reason}`, code: 'cancelled' };
  }

  #done({ steps = [], attempt, usage, final_message }: EmittedOf<'agent_invoke_done'>): void {
    for (const [k, step] of steps.entries()) this.#step(step, `${this.#run}-a${attempt}-t${k}`);
    if (usage) this.#usage = usage;
    if (final_message !== undefined) this.#finish(final_message);
  }

  /** The client makes this call: it ends this AG-UI run, and the next one brings the result. */
  #awaited(call: string, name: string, args: unknown): void {
    this.#close();
    this.#called(call, name, args);
  }

  #asked({ approval, action, summary, details }: EmittedOf<'approval_requested'>, { at, snapshot }: Entry): void {
    this.#close();
    const { call, arguments: args } = (details ?? {}) as { call?: unknown; arguments?: unknown };
    const toolCallId = typeof call === 'string' ? call : undefined;
    if (toolCallId !== undefined) this.#called(toolCallId, action, args);
    const { approval_ms } = (snapshot.context as SessionContext).settings;
    this.#interrupt = {
      id: approval,
      reason: toolCallId === undefined ? 'confirmation' : 'tool_call',
      message: summary,
      ...(toolCallId !== undefined && { toolCallId }),
      responseSchema: approvalSchema,
      expiresAt: new Date(at + approval_ms).toISOString(),
      metadata: { action, ...(details !== undefined && { details }) },
    };
  }

  /** What an agent that is a function did with tools is told when it is done. */
  #step({ name, input, output, error }: ToolStep, id: string): void {
    this.#called(id, name, input);
    this.#returned(id, error ?? output);
  }

  #called(id: string, name: string, args: unknown): void {
    if (this.#calls.has(id)) return;
    this.#calls.add(id);
    const written = JSON.stringify(args ?? {});
    this.#emit({ type: 'TOOL_CALL_START', toolCallId: id, toolCallName: name });
    this.#emit({ type: 'TOOL_CALL_ARGS', toolCallId: id, delta: written });
    this.#emit({ type: 'TOOL_CALL_END', toolCallId: id });
    const call = { id, type: 'function', function: { name, arguments: written } };
    this.#messages.push({ id, role: 'assistant', toolCalls: [call] });
  }

  #returned(id: string, value: unknown): void {
    // The client made this call and has its result.
    if (!this.#calls.has(id)) return;
    const content = typeof value === 'string' ? value : JSON.stringify(value ?? null);
    const messageId = `${id}-result`;
    this.#emit({ type: 'TOOL_CALL_RESULT', messageId, toolCallId: id, content, role: 'tool' });
    this.#messages.push({ id: messageId, role: 'tool', toolCallId: id, content });
  }

  #spoken({ by, content: said }: EmittedOf<'supervisor_message'>): void {
    if (this.#writing) this.#withdraw();
    const id = this.#messageId();
    this.#emit({ type: 'TEXT_MESSAGE_START', messageId: id, role: 'assistant', name: by });
    this.#emit({ type: 'TEXT_MESSAGE_CONTENT', messageId: id, delta: said });
    this.#emit({ type: 'TEXT_MESSAGE_END', messageId: id });
    this.#messages.push({ id, role: 'assistant', name: by, content: said });
  }

  /** Brings the client's text to `whole`. */
  #write(whole: string): void {
    if (this.#writing && !whole.startsWith(this.#writing.text)) this.#withdraw();
    if (whole === '') return;
    if (!this.#writing) {
      this.#writing = { id: this.#messageId(), text: '' };
      this.#emit({ type: 'TEXT_MESSAGE_START', messageId: this.#writing.id, role: 'assistant' });
    }
    const { id, text } = this.#writing;
    if (whole.length > text.length)
      this.#emit({ type: 'TEXT_MESSAGE_CONTENT', messageId: id, delta: whole.slice(text.length) });
    this.#writing.text = whole;
  }

  #finish(whole: string): void {
    this.#write(this.#unseen(whole));
    this.#close();
  }

  /** An answer continued after a question begins with the text before the question, which the client has. */
  #unseen(whole: string): string {
    const seen = this.#seen;
    if (seen.startsWith(whole)) return '';
    return seen !== '' && whole.startsWith(seen) ? whole.slice(seen.length).trimStart() : whole;
  }

  /** Completes the streaming message. */
  #close(): void {
    if (!this.#writing) return;
    const { id, text } = this.#writing;
    this.#emit({ type: 'TEXT_MESSAGE_END', messageId: id });
    this.#messages.push({ id, role: 'assistant', content: text });
    this.#writing = undefined;
  }

  /** Withdraws the streaming message: the client gets a snapshot of its messages without it. */
  #withdraw(): void {
    this.#emit({ type: 'TEXT_MESSAGE_END', messageId: this.#writing!.id });
    this.#writing = undefined;
    this.#emit({ type: 'MESSAGES_SNAPSHOT', messages: [...this.#messages] });
  }

  #messageId(): string {
    this.#serial += 1;
    return `${this.#input.runId}-m${this.#serial}`;
  }

  #emit(event: AgUiEvent): void {
    this.#events.push(event);
  }

  #flush(): AgUiEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }
}

const usageOf = ({ input_tokens, output_tokens, total_tokens }: Usage) => ({
  inputTokens: input_tokens,
  outputTokens: output_tokens,
  totalTokens: total_tokens,
});

/** The last text of the assistant. */
function lastAnswer(messages: readonly AgUiMessage[]): string {
  const last = messages.findLast(({ role, content }) => role === 'assistant' && typeof content === 'string');
  return (last?.content as string | undefined) ?? '';
}
