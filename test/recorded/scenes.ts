// What the recorded sessions live through, one scene for each kind of place where a journal can end, and how each goes on.
import type { SessionHandle, Troupe } from '../../src/index.ts';

export interface Scene {
  readonly session: string;
  /** What happens while it is recorded; nothing here waits for an answer that does not come. */
  readonly records: (session: SessionHandle, troupe: Troupe) => Promise<unknown>;
  /** Where the recording ends: the state of its last entry, as the version that wrote it names it. */
  readonly rests: string;
  /** What brings it to an end; nothing, where it goes on by itself. */
  readonly goesOn?: (session: SessionHandle) => Promise<unknown>;
  /** The last word of the transcript then. */
  readonly says: string;
}

/** Says something that is not answered for now. */
const say = (content: string) => async (session: SessionHandle) => {
  const said = new AbortController();
  const accepted = () => said.abort();
  await session.send(content, { signal: said.signal, accepted }).catch(() => {});
};

/** What the run that is open asks. */
const asked = async (session: SessionHandle): Promise<string> => (await session.state()).run!.question!;

const all =
  (...steps: readonly ((session: SessionHandle) => Promise<unknown>)[]) =>
  async (session: SessionHandle) => {
    for (const step of steps) await step(session);
  };
const takeOver = (session: SessionHandle) => session.takeOver({ by: 'ann', reason: 'quality' });
const release = (session: SessionHandle) => session.release({ by: 'ann' });
const approve = async (session: SessionHandle) =>
  session.approve({ approval: await asked(session), decision: 'approve', by: 'ann' });
const echo = (session: SessionHandle) => session.send('echo again');
const answers = (text: string) => (session: SessionHandle) => session.send(text);
const again = { goesOn: echo, says: 'You said: echo again' };

export const scenes: readonly Scene[] = [
  {
    session: 'created',
    records: (_, troupe) => troupe.startSession({ session: 'created', tenantConfig: { plan: 'gold' } }),
    rests: 'automated/idle',
    ...again,
  },
  { session: 'resting', records: all(echo, answers('talk')), rests: 'automated/idle', ...again },
  {
    session: 'mid-answer',
    records: say('echo stop here'),
    rests: 'automated/running.attempting',
    says: 'You said: echo stop here',
  },
  {
    session: 'mid-stream',
    records: all(echo, say('talk, stop here')),
    rests: 'automated/running.attempting',
    says: 'One two three.',
  },
  {
    session: 'queued',
    records: all(say('echo stop here'), say('echo second')),
    rests: 'automated/running.attempting',
    says: 'You said: echo second',
  },
  {
    session: 'routing',
    records: say('echo, route slowly'),
    rests: 'automated/routing',
    says: 'You said: echo, route slowly',
  },
  { session: 'backing-off', records: say('flake'), rests: 'automated/running.backingOff', says: 'It works now: flake' },
  {
    session: 'failed-over',
    records: say('break, stop here'),
    rests: 'automated/running.attempting',
    says: 'You said: break, stop here',
  },
  {
    session: 'transferred',
    records: say('give, stop here'),
    rests: 'automated/running.attempting',
    says: 'You said: give, stop here',
  },
  {
    session: 'given-back',
    records: say('give badly, stop here'),
    rests: 'automated/running.attempting',
    says: 'Taken back: give badly, stop here',
  },
  {
    session: 'held',
    records: all(echo, takeOver, (session) => session.inject({ by: 'ann', content: 'Ann here.' })),
    rests: 'human.held/idle',
    goesOn: all(release, echo),
    says: 'You said: echo again',
  },
  {
    session: 'held-until',
    records: all(echo, (session) =>
      session
        .takeOver({ by: 'ann', deadline_ms: 1 })
        .then(() => session.takeOver({ by: 'bob', deadline_ms: 86_400_000 })),
    ),
    rests: 'human.heldUntil/idle',
    goesOn: all(release, echo),
    says: 'You said: echo again',
  },
  {
    session: 'suspended',
    records: all(say('echo stop here'), takeOver, say('echo waiting')),
    rests: 'human.held/suspended',
    goesOn: release,
    says: 'You said: echo waiting',
  },
  {
    session: 'paused',
    records: all(echo, (session) => session.pause({})),
    rests: 'paused/idle',
    goesOn: all((session) => session.resume(), echo),
    says: 'You said: echo again',
  },
  {
    session: 'pausing',
    records: all(say('echo stop here'), (session) => session.pause({})),
    rests: 'pausing/running.attempting',
    goesOn: (session) => session.resume(),
    says: 'You said: echo stop here',
  },
  {
    session: 'handed-off',
    records: answers('a person please'),
    rests: 'paused/idle',
    goesOn: all((session) => session.resume(), echo),
    says: 'You said: echo again',
  },
  {
    session: 'awaiting-input',
    records: answers('ask me'),
    rests: 'automated/running.awaitingInput',
    goesOn: answers('the red one'),
    says: 'You answered the red one.',
  },
  {
    session: 'awaiting-approval',
    records: answers('pay'),
    rests: 'automated/running.awaitingApproval',
    goesOn: approve,
    says: 'It was decided: approve.',
  },
  {
    session: 'decided-while-held',
    records: all(answers('pay'), takeOver, approve),
    rests: 'human.held/running.awaitingApproval',
    goesOn: release,
    says: 'It was decided: approve.',
  },
  {
    session: 'awaiting-tool',
    records: answers('where am i'),
    rests: 'automated/running.awaitingClientTool',
    goesOn: async (session) => session.toolResult({ call: await asked(session), result: 'Oslo' }),
    says: 'You are in Oslo.',
  },
  {
    session: 'form',
    records: all(answers('book'), answers('Oslo')),
    rests: 'automated/running.awaitingInput',
    goesOn: all(answers('3'), answers('yes')),
    says: '3 nights in Oslo are booked.',
  },
  {
    session: 'flow',
    records: say('trip, stop here'),
    rests: 'automated/running.attempting',
    says: 'You said: trip, stop here\n\nWhat the steps before came to:\n\nplan: You said: plan it',
  },
  {
    session: 'flow-asks',
    records: say('survey'),
    rests: 'automated/running.attempting',
    goesOn: answers('the blue one'),
    says: 'You answered the blue one.\n\nYou said: survey\n\nIt works now: survey',
  },
  {
    session: 'llm',
    records: say('help with the weather'),
    rests: 'automated/running.attempting',
    says: 'All is done.',
  },
  {
    session: 'llm-asks',
    records: answers('help with money'),
    rests: 'automated/running.awaitingApproval',
    goesOn: approve,
    says: 'All is done.',
  },
  {
    session: 'chart',
    records: say('refund 1001'),
    rests: 'automated/running.attempting',
    says: '20 € are on their way.',
  },
  {
    session: 'chart-asks',
    records: answers('refund 1002'),
    rests: 'automated/running.awaitingApproval',
    goesOn: approve,
    says: '400 € are on their way.',
  },
  {
    session: 'cancelled',
    records: all(say('echo stop here'), (session) => session.cancel({ by: 'ann' })),
    rests: 'automated/idle',
    ...again,
  },
  {
    session: 'failed-run',
    records: (session) => session.send('whatever it is', { agent_id: 'broken-too' }),
    rests: 'automated/idle',
    ...again,
  },
  {
    session: 'closed',
    records: all(echo, (session) => session.close({ by: 'ann' })),
    rests: 'closed',
    says: 'You said: echo again',
  },
];

/** Jobs: the orchestrator's payload, the options, and the states while it is recorded and later. */
export const jobs = [
  { key: 'done', payload: { name: 'Ann', how: 'well' }, rests: 'done', ends: 'done' },
  { key: 'at-work', payload: { name: 'Bob', how: 'slowly' }, rests: 'running', ends: 'done' },
  { key: 'dead', payload: { name: 'Cem', how: 'badly' }, rests: 'dead', ends: 'done', retry: true },
  {
    key: 'delayed',
    payload: { name: 'Dee', how: 'well' },
    delay_ms: 365 * 86_400_000,
    rests: 'delayed',
    ends: 'cancelled',
    cancel: true,
  },
] as const;
