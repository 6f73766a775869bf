// The chart of a conversation: who has the floor (control), and what the AI is doing about the user's words (turn).
import { and, not, or } from 'xstate';
import { migrate } from './migrate.ts';
import { createMachine, initialContext, inputs } from './rules.ts';

export const sessionMachine = createMachine({
  id: 'session',
  version: '2',
  meta: { migrate },
  context: initialContext,
  initial: 'open',
  states: {
    open: {
      type: 'parallel',
      on: {
        close: { target: 'closed', actions: ['dropEverything', 'tellClosed'] },
        fail: { target: 'failed', actions: ['dropEverything', 'tellFailed'] },
      },
      states: {
        control: {
          initial: 'automated',
          on: {
            inject: [{ guard: 'whispers', actions: ['whisper', 'tellInjected'] }, { actions: 'tellInjected' }],
          },
          states: {
            automated: {
              id: 'automated',
              on: {
                pause: [
                  { guard: and(['drains', 'atWork']), target: 'pausing', actions: 'tellPausing' },
                  { target: 'paused', actions: 'tellPaused' },
                ],
                takeover: { target: 'human', actions: ['takeOver', 'tellTakenOver'] },
                escalated: { target: 'paused', actions: 'tellPaused' },
              },
            },
            pausing: {
              always: { guard: not('atWork'), target: 'paused', actions: 'tellPaused' },
              on: {
                pause: [{ guard: not('drains'), target: 'paused', actions: 'tellPaused' }, { actions: 'tellPausing' }],
                resume: { target: 'automated', actions: 'tellAutomated' },
                takeover: { target: 'human', actions: ['takeOver', 'tellTakenOver'] },
                escalated: { target: 'paused', actions: 'tellPaused' },
              },
            },
            paused: {
              on: {
                pause: { actions: 'tellPaused' },
                resume: { target: 'automated', actions: 'tellAutomated' },
                takeover: { target: 'human', actions: ['takeOver', 'tellTakenOver'] },
              },
            },
            human: {
              id: 'human',
              initial: 'deciding',
              on: {
                release: { target: 'automated', actions: ['handBack', 'tellAutomated'] },
                pause: { target: 'paused', actions: ['handBack', 'tellPaused'] },
                takeover: {
                  target: 'human',
                  guard: 'anotherHolder',
                  reenter: true,
                  actions: ['takeOver', 'tellTakenOver'],
                },
              },
              states: {
                deciding: {
                  tags: 'passing',
                  always: [{ guard: 'hasDeadline', target: 'heldUntil' }, { target: 'held' }],
                },
                held: {},
                heldUntil: { after: { deadline: { target: '#automated', actions: ['handBack', 'tellAutomated'] } } },
              },
            },
          },
        },
        turn: {
          initial: 'idle',
          on: {
            takeover: { guard: 'atWork', target: '.suspended', actions: 'tellSuspended' },
            pause: { guard: and(['atWork', not('drains')]), target: '.suspended', actions: 'tellSuspended' },
            cancel: { guard: 'hasRun', target: '.idle', actions: 'cancelRun' },
            message: [
              {
                guard: and(['atWork', 'policyInterrupts', 'hasRoom']),
                target: '.idle',
                actions: ['supersedeRun', 'keep'],
              },
              {
                guard: and(['atWork', 'policySteers', not('goesElsewhere')]),
                target: '.starting',
                actions: ['steer', 'startOver'],
              },
              { guard: and(['hasRoom', or([not('atWork'), not('policyRejects')])]), actions: 'keep' },
            ],
            inject: { guard: and(['speaks', 'humanHasTheFloor']), actions: 'answerWaiting' },
            recovered: [
              { guard: and(['atWork', 'recoveriesLeft']), actions: 'countRecovery' },
              { guard: 'atWork', target: '.idle', actions: 'giveUp' },
            ],
          },
          states: {
            idle: {
              id: 'idle',
              always: { guard: and(['messagesWait', 'aiHasTheFloor']), target: 'starting', actions: 'startRun' },
            },
            starting: {
              tags: 'passing',
              id: 'starting',
              always: [
                { guard: 'needsScreening', target: 'screening' },
                { guard: 'isRouted', target: 'running' },
                { target: 'routing' },
              ],
            },
            screening: {
              id: 'screening',
              invoke: {
                id: 'screen',
                src: 'screen',
                input: inputs.screen,
                onDone: [
                  { guard: 'isAllowed', target: 'starting', actions: 'recordScreening' },
                  { target: 'idle', actions: 'refuseRun' },
                ],
                onError: { target: 'idle', actions: 'failRun' },
              },
              after: { attemptTimeout: { target: 'idle', actions: 'failRun' } },
            },
            routing: {
              id: 'routing',
              invoke: {
                id: 'router',
                src: 'router',
                input: inputs.router,
                onDone: [
                  { guard: 'isMatched', target: 'running', actions: 'recordRoute' },
                  { target: 'idle', actions: 'matchNothing' },
                ],
                onError: { target: 'idle', actions: 'failRun' },
              },
              after: { attemptTimeout: { target: 'idle', actions: 'failRun' } },
            },
            running: {
              initial: 'attempting',
              states: {
                attempting: {
                  id: 'attempting',
                  entry: 'beginAttempt',
                  invoke: {
                    id: 'agent',
                    src: 'agent',
                    input: inputs.agent,
                    onDone: [
                      { guard: 'asksForInput', target: 'awaitingInput', actions: 'ask' },
                      { guard: 'asksForApproval', target: 'awaitingApproval', actions: 'ask' },
                      { guard: 'asksForTool', target: 'awaitingClientTool', actions: 'ask' },
                      { guard: 'asksForPerson', target: 'handingOver', actions: ['escalate', 'finishRun'] },
                      {
                        guard: and(['transfers', 'transfersLeft']),
                        target: 'attempting',
                        reenter: true,
                        actions: 'transfer',
                      },
                      { guard: 'transfers', target: '#idle', actions: 'failTransfer' },
                      { target: '#idle', actions: 'finishRun' },
                    ],
                    onError: { target: 'failing', actions: 'recordFailure' },
                  },
                  on: { progressed: { actions: 'recordProgress' } },
                  after: { attemptTimeout: { target: 'failing', actions: 'recordFailure' } },
                },
                // The attempt policy's verdict on a failure, an error or a time-out alike.
                failing: {
                  tags: 'passing',
                  id: 'failing',
                  always: [
                    { guard: 'triesElsewhere', target: 'attempting', actions: 'emitFailover' },
                    { guard: 'triesAgain', target: 'backingOff' },
                    { guard: 'givesBack', target: 'attempting', actions: 'undoTransfer' },
                    { guard: 'triesNextAgent', target: 'attempting', actions: ['nextAgent', 'emitFailover'] },
                    { target: '#idle', actions: 'failRun' },
                  ],
                },
                backingOff: { id: 'backingOff', after: { backoff: 'attempting' } },
                // Rests only when control has paused: in between, the next message would find the AI with the floor.
                handingOver: { tags: 'passing', id: 'handingOver', on: { escalated: '#idle' } },
                awaitingInput: {
                  always: [
                    { guard: and(['nextGoesElsewhere', 'aiHasTheFloor']), target: '#idle', actions: 'abandonRun' },
                    { guard: and(['messagesWait', 'aiHasTheFloor']), target: 'attempting', actions: 'takeAnswer' },
                  ],
                  on: {
                    message: [
                      { guard: and(['goesElsewhere', 'hasRoom']), target: '#idle', actions: ['abandonRun', 'keep'] },
                      { guard: and(['aiHasTheFloor', 'hasRoom']), actions: 'keepForRun' },
                    ],
                  },
                  after: { inputTimeout: { target: '#idle', actions: 'expireRun' } },
                },
                awaitingApproval: {
                  always: { guard: and(['isAnswered', 'aiHasTheFloor']), target: 'attempting' },
                  on: { approve: { guard: 'answersTheQuestion', actions: 'decide' } },
                  after: { approvalTimeout: { guard: not('isAnswered'), actions: 'decide' } },
                },
                awaitingClientTool: {
                  always: { guard: and(['isAnswered', 'aiHasTheFloor']), target: 'attempting' },
                  on: { tool_result: { guard: 'answersTheQuestion', actions: 'decide' } },
                  after: { toolTimeout: { guard: not('isAnswered'), actions: 'decide' } },
                },
              },
            },
            suspended: {
              always: { guard: 'aiHasTheFloor', target: 'starting', actions: 'resumeRun' },
              on: {
                inject: {
                  guard: and(['speaks', 'humanHasTheFloor']),
                  target: 'idle',
                  actions: ['leaveToPerson', 'answerWaiting'],
                },
              },
            },
          },
        },
      },
    },
    closed: { type: 'final' },
    failed: { type: 'final' },
  },
});
