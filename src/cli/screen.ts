// Prints the events of a session to a terminal as they arrive: each word once, even if an event is repeated.
import { styleText } from 'node:util';
import type { StreamDelta } from '../../actors/transcript.ts';
import type { Asks } from '../../actors/view.ts';
import type { Emitted, EmittedOf } from '../emitted/emitted.ts';
import type { StateChange } from '../interfaces/http/frames.ts';

/** An event of a session, as the service sends it. */
export type Told = Emitted | StreamDelta | ({ readonly type: 'state_change' } & StateChange);

/** The streaming answer: its text so far, and how much of it is printed. */
interface Answer {
  readonly of: string;
  readonly text: string;
  readonly shown: string;
}

const dim = (text: string): string => styleText('dim', text);
const news = (text: string): string => styleText('yellow', `• ${text}`);
const trouble = (text: string): string => styleText('red', `✗ ${text}`);
const speaker = (name: string): string => styleText('cyan', `${name}: `);

type Approval = Pick<EmittedOf<'approval_requested'>, 'action' | 'summary' | 'details'>;

/** Longest details of an approval that are printed, characters. */
const LONGEST = 2_000;

export interface ScreenOptions {
  /** Staff also see guidance, notes, failed attempts and the user's messages. */
  readonly staff?: boolean;
}

export class Screen {
  readonly #write: (text: string) => void;
  readonly #staff: boolean;
  #answer: Answer | undefined;

  constructor(write: (text: string) => void, { staff = false }: ScreenOptions = {}) {
    this.#write = write;
    this.#staff = staff;
  }

  /** Whether the cursor stands in the middle of an answer. */
  get isWriting(): boolean {
    return this.#answer !== undefined;
  }

  say(line: string): void {
    this.#breakOff();
    this.#write(`${line}\n`);
  }

  tell(told: Told): void {
    if (told.type === 'agent_stream_delta') this.#delta(told);
    else if (told.type === 'input_requested') this.#finish(told.agent_id, told.prompt);
    else if (told.type === 'agent_invoke_done' && told.final_message !== undefined)
      this.#finish(told.agent_id, told.final_message);
    else {
      const line = this.#lineOf(told);
      if (line !== undefined) this.say(line);
    }
  }

  /** A delta replaces everything from its offset on; only text beyond the printed one is written. */
  #delta({ run_id, attempt, offset, text }: StreamDelta): void {
    const of = `${run_id}#${attempt}`;
    if (this.#answer && this.#answer.of !== of) this.#breakOff(dim(' (starts over)'));
    const before = this.#answer ?? { of, text: '', shown: '' };
    if (!this.#answer) this.#write(speaker('answer'));
    const whole = before.text.slice(0, offset) + text;
    // A repeated stream starts over and is shorter than the printed text for a while.
    const shown = before.shown.startsWith(whole) ? before.shown : this.#show(before.shown, whole);
    this.#answer = { of, text: whole, shown };
  }

  #show(shown: string, whole: string): string {
    if (whole.startsWith(shown)) this.#write(whole.slice(shown.length));
    else this.#write(`${dim(' (corrected)')}\n${speaker('answer')}${whole}`);
    return whole;
  }

  #finish(agent_id: string, whole: string): void {
    if (this.#answer) this.#show(this.#answer.shown, whole);
    else this.#write(speaker(agent_id) + whole);
    this.#answer = undefined;
    this.#write('\n');
  }

  #breakOff(mark = ''): void {
    if (!this.#answer) return;
    this.#answer = undefined;
    this.#write(`${mark}\n`);
  }

  #lineOf(told: Told): string | undefined {
    switch (told.type) {
      case 'control_changed':
        return news(controlLine(told));
      case 'supervisor_message':
        return this.#supervisorLine(told);
      case 'user_input':
        return this.#staff ? styleText('green', `user: ${told.content}`) : undefined;
      case 'approval_requested':
        return this.#approvalLine(told.approval, told);
      case 'tool_requested':
        return toolLine(told.call, told.name);
      case 'run_failed':
        return trouble(`${told.message} (${told.code})`);
      case 'run_cancelled':
        return told.reason === 'answered by a person' ? undefined : dim(`(no answer: ${told.reason})`);
      case 'run_suspended':
        return dim('(the answer was broken off)');
      case 'run_recovered':
        return dim('(the service had stopped; the answer begins again)');
      case 'agent_invoke_failed':
        return this.#staff ? dim(`(attempt ${told.attempt} of ${told.agent_id} failed: ${told.message})`) : undefined;
      case 'session_closed':
        return news(`the conversation is closed${told.reason ? `: ${told.reason}` : ''}`);
      case 'session_failed':
        return trouble(`the conversation has failed: ${told.reason}`);
      default:
        return undefined;
    }
  }

  /** Shows the open question of a run, as the event that asked it did. */
  asks(id: string, asks: Asks): void {
    this.say(asks.kind === 'approval' ? this.#approvalLine(id, asks) : toolLine(id, asks.name));
  }

  #approvalLine(id: string, asked: Approval): string {
    return news(`a person must decide: ${asked.summary} ${dim(`(approval ${id})`)}`) + this.#details(asked);
  }

  /** The details of the action to approve: staff decide on them, users do not see them. */
  #details({ action, details }: Approval): string {
    if (!this.#staff || details === undefined) return '';
    const written = JSON.stringify(details);
    return `\n  ${dim(`${action}: ${written.length > LONGEST ? `${written.slice(0, LONGEST)}…` : written}`)}`;
  }

  #supervisorLine({ mode, by, content }: EmittedOf<'supervisor_message'>): string | undefined {
    if (mode === 'speak') return styleText('magenta', `${by}: `) + content;
    return this.#staff ? dim(`[${mode} by ${by}] ${content}`) : undefined;
  }
}

const toolLine = (call: string, name: string): string =>
  news(`waits for the tool ${name} to run at its caller ${dim(`(call ${call})`)}`);

function controlLine({ control, holder, by, reason }: EmittedOf<'control_changed'>): string {
  const because = reason ? `: ${reason}` : '';
  const who = by ? ` by ${by}` : '';
  if (control === 'human') return `taken over by ${holder}${because}`;
  if (control === 'automated') return 'the AI has the floor again';
  if (control === 'pausing') return `will pause after this answer${because}`;
  return `paused${who}${because}`;
}
