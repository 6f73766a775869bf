// Prints the events of a session to a terminal as they arrive: each word once, even if an event is repeated.
import { styleText } from 'node:util';

/** An event of a session, as the service sends it. */
export interface Told {
  readonly type: string;
  readonly [member: string]: unknown;
}

interface Delta {
  readonly run_id: string;
  readonly attempt: number;
  readonly offset: number;
  readonly text: string;
}

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
    if (told.type === 'agent_stream_delta') this.#delta(told as unknown as Delta);
    else if (told.type === 'input_requested') this.#finish(told, told.prompt as string);
    else if (typeof told.final_message === 'string') this.#finish(told, told.final_message);
    else {
      const line = this.#lineOf(told);
      if (line !== undefined) this.say(line);
    }
  }

  /** A delta replaces everything from its offset on; only text beyond the printed one is written. */
  #delta({ run_id, attempt, offset, text }: Delta): void {
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

  #finish({ agent_id }: Told, whole: string): void {
    if (this.#answer) this.#show(this.#answer.shown, whole);
    else this.#write(speaker((agent_id as string | undefined) ?? 'answer') + whole);
    this.#answer = undefined;
    this.#write('\n');
  }

  #breakOff(mark = ''): void {
    if (!this.#answer) return;
    this.#answer = undefined;
    this.#write(`${mark}\n`);
  }

  #lineOf(told: Told): string | undefined {
    const { reason, message, code } = told as { reason?: string; message?: string; code?: string };
    switch (told.type) {
      case 'control_changed':
        return news(controlLine(told));
      case 'supervisor_message':
        return this.#supervisorLine(told);
      case 'user_input':
        return this.#staff ? styleText('green', `user: ${told.content}`) : undefined;
      case 'approval_requested':
        return (
          news(`a person must decide: ${told.summary} ${dim(`(approval ${told.approval})`)}`) + this.#details(told)
        );
      case 'tool_requested':
        return news(`waits for the tool ${told.name} to run at its caller ${dim(`(call ${told.call})`)}`);
      case 'run_failed':
        return trouble(`${message} (${code})`);
      case 'run_cancelled':
        return reason === 'answered by a person' ? undefined : dim(`(no answer: ${reason})`);
      case 'run_suspended':
        return dim('(the answer was broken off)');
      case 'run_recovered':
        return dim('(the service had stopped; the answer begins again)');
      case 'agent_invoke_failed':
        return this.#staff ? dim(`(attempt ${told.attempt} of ${told.agent_id} failed: ${message})`) : undefined;
      case 'session_closed':
        return news(`the conversation is closed${reason ? `: ${reason}` : ''}`);
      case 'session_failed':
        return trouble(`the conversation has failed: ${reason}`);
      default:
        return undefined;
    }
  }

  /** The details of the action to approve: staff decide on them, users do not see them. */
  #details({ action, details }: Told): string {
    if (!this.#staff || details === undefined) return '';
    const written = JSON.stringify(details);
    return `\n  ${dim(`${action}: ${written.length > LONGEST ? `${written.slice(0, LONGEST)}…` : written}`)}`;
  }

  #supervisorLine({ mode, by, content }: Told): string | undefined {
    if (mode === 'speak') return styleText('magenta', `${by}: `) + content;
    return this.#staff ? dim(`[${mode} by ${by}] ${content}`) : undefined;
  }
}

function controlLine({ control, holder, by, reason }: Told): string {
  const because = reason ? `: ${reason}` : '';
  const who = by ? ` by ${by}` : '';
  if (control === 'human') return `taken over by ${holder}${because}`;
  if (control === 'automated') return 'the AI has the floor again';
  if (control === 'pausing') return `will pause after this answer${because}`;
  return `paused${who}${because}`;
}
