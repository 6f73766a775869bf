// What a terminal shows of a session: each word once, and what users may not see is not there.
import { expect, test } from 'vitest';
import { readCommand } from '../src/cli/commands.ts';
import { Screen, type Told } from '../src/cli/screen.ts';

process.env.NO_COLOR = '1';

function shown(told: readonly Told[], staff = false): string {
  let text = '';
  const screen = new Screen(
    (more) => {
      text += more;
    },
    { staff },
  );
  for (const one of told) screen.tell(one);
  return text;
}

const delta = (offset: number, text: string, attempt = 1): Told => ({
  type: 'agent_stream_delta',
  run_id: 's1-r1',
  attempt,
  epoch: 0,
  offset,
  text,
});
const done = (final_message: string): Told => ({
  type: 'agent_invoke_done',
  run_id: 's1-r1',
  message_id: 'm1',
  agent_id: 'echo',
  attempt: 1,
  endpoint: 'echo/local',
  ms: 1,
  final_message,
});

test('an answer is written as it comes and ended when it is done', () => {
  expect(shown([delta(0, 'hel'), delta(3, 'lo'), done('hello')])).toBe('answer: hello\n');
});

test('an answer that was not streamed is written whole', () => {
  expect(shown([done('hello')])).toBe('echo: hello\n');
});

test('a piece that comes again after a reconnection is not written again', () => {
  expect(shown([delta(0, 'hel'), delta(0, 'hel'), delta(3, 'lo'), delta(0, 'hello w'), done('hello world')])).toBe(
    'answer: hello world\n',
  );
});

test('the rest of an answer that was missed is written when it is done', () => {
  expect(shown([delta(0, 'hel'), done('hello world')])).toBe('answer: hello world\n');
});

test('a new attempt starts over, and says so', () => {
  expect(shown([delta(0, 'one two'), delta(0, 'three', 2), done('three')])).toBe(
    'answer: one two (starts over)\nanswer: three\n',
  );
});

test('an answer that was rewritten after it was streamed is corrected', () => {
  expect(shown([delta(0, 'call me at 555'), done('call me')])).toBe(
    'answer: call me at 555 (corrected)\nanswer: call me\n',
  );
});

test('news does not stand in the middle of an answer', () => {
  const taken: Told = { type: 'control_changed', control: 'human', epoch: 1, holder: 'ana' };
  expect(shown([delta(0, 'one two'), taken])).toBe('answer: one two\n• taken over by ana\n');
});

test('users read what a supervisor says to them; staff also read guidance and notes', () => {
  const modes = ['speak', 'whisper', 'note'] as const;
  const all = modes.map((mode): Told => ({ type: 'supervisor_message', mode, by: 'ana', content: mode, epoch: 0 }));
  expect(shown(all)).toBe('ana: speak\n');
  expect(shown(all, true)).toBe('ana: speak\n[whisper by ana] whisper\n[note by ana] note\n');
});

test('commands are read with or without a slash; who takes over acts under that name', () => {
  expect(readCommand('/takeover ana', 'bo')).toEqual({ act: { path: 'takeover', body: { by: 'ana' } }, by: 'ana' });
  expect(readCommand('takeover', 'bo')).toEqual({ act: { path: 'takeover', body: { by: 'bo' } }, by: 'bo' });
  expect(readCommand('/say good  morning', 'ana')).toEqual({
    act: { path: 'inject', body: { mode: 'speak', content: 'good  morning', by: 'ana' } },
    by: 'ana',
  });
  expect(readCommand('reject s1-r1.1 too much', 'ana')).toMatchObject({
    act: { path: 'approvals/s1-r1.1', body: { decision: 'reject', by: 'ana', reason: 'too much' } },
  });
  expect(readCommand('/quit', 'ana')).toEqual({ quit: true });
});

test('a command that is wrong or lacks its words is explained', () => {
  expect(readCommand('/say', 'ana')).toEqual({ tell: '/say takes <text>' });
  expect(readCommand('/dance', 'ana')).toEqual({ tell: 'there is no /dance; /help lists what there is' });
  expect(readCommand('/help', 'ana')).toMatchObject({ tell: expect.stringContaining('/takeover [name]') });
});
