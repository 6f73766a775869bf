// Stories of agents that fail: trying again, others that step in, giving up.
import { failing, held, scripted } from '../../src/testing.ts';
import type { Stories } from './story.ts';

const please = { triggers: ['please'] };

export const failures: Stories = {
  'a failure that may pass is tried again, after a wait that doubles': {
    cast: () => ({ agents: [scripted('helper', [failing('busy'), failing('busy'), 'Here.'], please)] }),
    transcript: `
      user: please
      attempt failed: busy: as the script says
      state: automated/running.backingOff
      advance 499ms
      advance 1ms
      attempt failed: busy: as the script says
      advance 999ms
      advance 1ms
      assistant: Here.
    `,
  },

  'after three tries the run fails': {
    cast: () => ({ agents: [scripted('helper', [failing('busy'), failing('busy'), failing('busy')], please)] }),
    transcript: `
      user: please
      attempt failed: busy: as the script says
      advance 2s
      attempt failed: busy: as the script says
      attempt failed: busy: as the script says
      failed: busy: as the script says
      state: automated/idle
    `,
  },

  'a failure that will not pass is not tried again': {
    cast: () => ({ agents: [scripted('helper', [failing('forbidden', { retryable: false }), 'Two.'], please)] }),
    transcript: `
      user: please
      attempt failed: forbidden: as the script says
      failed: forbidden: as the script says
      user: please
      assistant: Two.
    `,
  },

  'when an agent has failed for good, its fallback answers': {
    cast: () => ({
      agents: [
        scripted('helper', [failing('forbidden', { retryable: false })], { ...please, fallbacks: ['second', 'third'] }),
        scripted('second', [failing('busy'), failing('busy'), failing('busy')]),
        scripted('third', ['From the third.']),
      ],
    }),
    transcript: `
      user: please
      attempt failed: forbidden: as the script says
      failover: second
      attempt failed: busy: as the script says
      advance 2s
      attempt failed: busy: as the script says
      attempt failed: busy: as the script says
      failover: third
      assistant: From the third.
    `,
  },

  'a fallback does not see what a person decided for the agent before it': {
    cast: () => ({
      agents: [
        scripted(
          'helper',
          [
            { type: 'approval_required', action: 'pay', summary: 'Pay 10?' },
            failing('forbidden', { retryable: false }),
          ],
          { ...please, fallbacks: ['second'] },
        ),
        scripted('second', [(_, { call }) => `I was told ${call.decision ? 'to pay' : 'nothing'}.`]),
      ],
    }),
    transcript: `
      user: please pay
      approval wanted: Pay 10?
      supervisor(ann) approves
      attempt failed: forbidden: as the script says
      failover: second
      assistant: I was told nothing.
    `,
  },

  'an agent that says nothing in time is tried again': {
    cast: () => ({
      agents: [scripted('helper', [held('Too late.'), 'In time.'], please)],
      settings: { attempt_ms: 10_000 },
    }),
    transcript: `
      user: please
      advance 10s
      attempt failed: timeout: no result within 10000 ms
      state: automated/running.backingOff
      advance 1s
      assistant: In time.
    `,
  },

  'a session goes on after a run that failed, with what waited': {
    cast: () => ({ agents: [scripted('helper', [held(failing('broken', { retryable: false })), 'Two.'], please)] }),
    transcript: `
      user: please one
      user: please two
      agent(helper) goes on
      attempt failed: broken: as the script says
      failed: broken: as the script says
      assistant: Two.
    `,
  },

  'pausing while an agent is waited for again ends the waiting': {
    cast: () => ({ agents: [scripted('helper', [failing('busy'), 'Here.'], please)] }),
    transcript: `
      user: please
      attempt failed: busy: as the script says
      supervisor(ann) pauses at once
      suspended
      advance 1h
      state: paused/suspended
      supervisor(ann) resumes
      resumed
      assistant: Here.
    `,
  },
};
