// The chart of a node: it opens its journal, joins the others, serves as well as it can, and leaves without losing anything.
import { assign, setup } from 'xstate';
import * as rules from './rules.ts';

export const orchestratorMachine = setup({
  types: {
    context: {} as rules.OrchestratorContext,
    events: {} as rules.OrchestratorEvent,
    input: {} as Partial<rules.OrchestratorLimits> | undefined,
    // `ready`: takes sessions; `shedding`: turns new ones away.
    tags: {} as 'ready' | 'shedding',
  },
  guards: { isNormal: rules.isNormal, isOverloaded: rules.isOverloaded, isDegraded: rules.isDegraded },
  actions: {
    noteLoad: assign(rules.noteLoad),
    noteJournal: assign(rules.noteJournal),
    noteAgents: assign(rules.noteAgents),
    noteReason: assign(rules.noteReason),
    noteTimeout: assign(rules.noteTimeout),
  },
  delays: { startTime: rules.startTime, joinTime: rules.joinTime, drainTime: rules.drainTime },
}).createMachine({
  id: 'orchestrator',
  version: '1',
  context: rules.begin,
  initial: 'starting',
  // Noted in every state, so that serving begins with what is the case, whenever it became so.
  on: {
    'load.high': { actions: 'noteLoad' },
    'load.normal': { actions: 'noteLoad' },
    'journal.lost': { actions: 'noteJournal' },
    'journal.back': { actions: 'noteJournal' },
    'agents.degraded': { actions: 'noteAgents' },
    'agents.recovered': { actions: 'noteAgents' },
  },
  states: {
    starting: {
      on: {
        'journal.opened': 'joining',
        'journal.failed': { target: 'failed', actions: 'noteReason' },
        // Nothing is owned yet, so there is nothing to hand over.
        drain: 'stopped',
      },
      after: { startTime: { target: 'failed', actions: 'noteTimeout' } },
    },
    joining: {
      on: {
        joined: 'serving',
        'join.failed': { target: 'failed', actions: 'noteReason' },
        // The others may already have seen this node.
        drain: 'draining',
      },
      after: { joinTime: { target: 'failed', actions: 'noteTimeout' } },
    },
    serving: {
      initial: 'normal',
      on: { drain: 'draining' },
      states: {
        normal: {
          tags: 'ready',
          always: [
            { guard: 'isDegraded', target: 'degraded' },
            { guard: 'isOverloaded', target: 'overloaded' },
          ],
        },
        overloaded: {
          tags: ['ready', 'shedding'],
          always: [
            { guard: 'isDegraded', target: 'degraded' },
            { guard: 'isNormal', target: 'normal' },
          ],
        },
        degraded: {
          always: [
            { guard: 'isOverloaded', target: 'overloaded' },
            { guard: 'isNormal', target: 'normal' },
          ],
        },
      },
    },
    draining: {
      on: { drained: 'stopped' },
      after: { drainTime: { target: 'stopped', actions: 'noteTimeout' } },
    },
    stopped: { type: 'final' },
    failed: { type: 'final' },
  },
});
