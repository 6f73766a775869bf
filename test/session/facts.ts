// What must hold of every session in every state it can reach, each fact as a check of the explored graph.
import { isDeepStrictEqual } from 'node:util';
import type { Dump } from '../../actors/durable.ts';
import type { Pending, SessionContext } from '../../machines/session/events.ts';
import type { Emitted, EmittedOf } from '../../src/emitted/emitted.ts';
import { isEnd, type RunEnd } from '../../src/emitted/run.ts';
import { type Graph, type GraphEdge, type GraphState, offered } from '../../src/testing/explore.ts';
import { deadlocks, everyEdge, everyState, type Holds, reaches } from '../../src/testing/facts.ts';
import { foldOwed, owedBy } from '../../src/testing/owed.ts';
import { heldBy, world } from './world.ts';

export type Fact = (graph: Graph, name: string) => void;

const contextOf = ({ snapshot }: GraphState): SessionContext => snapshot.context;
const isOpen = ({ snapshot }: GraphState): boolean => snapshot.status === 'active';
/** `automated`, `pausing`, `paused`, `human`, `closed` or `failed`. */
const controlOf = ({ name }: GraphState): string => name.split(/[./]/, 1)[0]!;
const isHuman = (state: GraphState): boolean => controlOf(state) === 'human';
const after = (state: GraphState, wanted: Record<string, unknown>): GraphEdge[] =>
  state.edges.filter(({ event }) => Object.entries(wanted).every(([name, value]) => (event as any)[name] === value));
/** It comes from the runtime: work that ended, or a timer. */
const byItself = ({ event }: GraphEdge): boolean => event.type.startsWith('xstate.');
const isDeadline = ({ event }: GraphEdge): boolean => event.type.startsWith('xstate.after.deadline.');

const everyOpen = (graph: Graph, name: string, holds: (state: GraphState) => Holds): void =>
  everyState(graph, name, (state) => !isOpen(state) || holds(state));

/** Whether all of `state`'s edges for this event lead where they should, and there is one. */
function leads(state: GraphState, event: Record<string, unknown>, where: (to: GraphState) => boolean): Holds {
  const edges = after(state, event);
  if (edges.length === 0) return `${JSON.stringify(event)} is refused`;
  const astray = edges.find(({ to }) => !where(to));
  return astray ? `${JSON.stringify(event)} leads to ${astray.to.name}` : true;
}

export const control: Record<string, Fact> = {
  'pause (interrupt) is accepted in every open state, and pauses at once': (graph, name) =>
    everyOpen(graph, name, (state) =>
      leads(state, { type: 'pause', mode: 'interrupt' }, (to) => controlOf(to) === 'paused'),
    ),

  'pause (drain) is accepted in every open state, and pauses at once or when the answer is finished': (graph, name) =>
    everyOpen(graph, name, (state) =>
      leads(state, { type: 'pause', mode: 'drain' }, (to) => ['pausing', 'paused'].includes(controlOf(to))),
    ),

  'pausing goes on to paused by itself, whatever the attempt comes to, and nowhere else': (graph, name) => {
    const pausing = (state: GraphState) => controlOf(state) === 'pausing';
    everyEdge(graph, name, (edge) => {
      if (!pausing(edge.from) || !byItself(edge)) return true;
      return ['pausing', 'paused'].includes(controlOf(edge.to));
    });
    reaches(graph, name, { from: pausing, to: (state) => controlOf(state) === 'paused', by: byItself });
  },

  'while a person has the floor or the session is paused, no work is owed': (graph, name) =>
    everyOpen(graph, name, (state) => {
      const owed = graph.pure.invokes(state.snapshot).map(({ id }) => id);
      return !['human', 'paused'].includes(controlOf(state)) || owed.length === 0 || `${owed.join(', ')} is at work`;
    }),

  'only release, pause or the deadline takes the floor from a person who keeps the session open': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      if (!isHuman(edge.from) || isHuman(edge.to) || !isOpen(edge.to)) return true;
      return ['release', 'pause'].includes(edge.event.type) || isDeadline(edge);
    }),

  'no word of the AI passes while a person has the floor or the session is paused': (graph, name) =>
    everyEdge(graph, name, ({ from, step }) => {
      if (!['human', 'paused'].includes(controlOf(from))) return true;
      return !step.emitted.some(({ type }) => type === 'agent_invoke_done' || type === 'input_requested');
    }),

  'takeover is accepted in every open state, but not again by the person who holds it': (graph, name) =>
    everyOpen(graph, name, (state) => {
      for (const by of ['ann', 'bob']) {
        const holds = isHuman(state) && contextOf(state).holder === by;
        if (holds && after(state, { type: 'takeover', by }).length > 0) return `${by} takes over from ${by}`;
        if (holds) continue;
        const taken = leads(state, { type: 'takeover', by }, (to) => isHuman(to) && contextOf(to).holder === by);
        if (taken !== true) return taken;
      }
      return true;
    }),

  'a takeover with a deadline ends by itself, and the AI has the floor again': (graph, name) =>
    everyState(graph, name, (state) => {
      if (!state.name.startsWith('human.heldUntil')) return true;
      return state.edges.some((edge) => isDeadline(edge) && controlOf(edge.to) === 'automated');
    }),

  'every takeover and every handing back raises the epoch by one, and nothing else changes it': (graph, name) =>
    everyEdge(graph, name, ({ from, event, to, step }) => {
      const handedBack = isHuman(from) && !isHuman(to) && isOpen(to);
      const raised = (step.snapshot.context as SessionContext).epoch - contextOf(from).epoch;
      return raised === (event.type === 'takeover' || handedBack ? 1 : 0) || `raised by ${raised}`;
    }),

  'there is a holder exactly while a person has the floor': (graph, name) =>
    everyOpen(graph, name, (state) => isHuman(state) === (contextOf(state).holder !== null)),

  'close is accepted in every open state and ends the session; so is fail': (graph, name) =>
    everyOpen(graph, name, (state) => {
      const closed = leads(state, { type: 'close' }, (to) => to.name === 'closed');
      return closed === true ? leads(state, { type: 'fail' }, (to) => to.name === 'failed') : closed;
    }),
};

/** A message that joins a run as itself is not ended by that. */
const endsMessage = (one: Emitted): one is RunEnd | EmittedOf<'run_joined'> =>
  isEnd(one) || (one.type === 'run_joined' && one.by !== one.message_id);

export const messages: Record<string, Fact> = {
  'an accepted message is held until exactly one outcome is told of it, and no message that is not held gets one': (
    graph,
    name,
  ) =>
    everyEdge(graph, name, ({ from, step }) => {
      const held = new Set(heldBy(contextOf(from)));
      // A question answers the message that led to it; what the user says next goes on in its place.
      const question = step.emitted.find((one) => one.type === 'input_requested');
      const asked = from.name.endsWith('/running.awaitingInput') ? contextOf(from).run?.message : question?.message_id;
      for (const one of step.emitted) {
        if (one.type === 'message_accepted') held.add(one.message_id);
        if (!endsMessage(one)) continue;
        if (!held.delete(one.message_id)) return `${one.type} for ${one.message_id}, which nobody holds`;
      }
      const now = heldBy(step.snapshot.context);
      if (step.emitted.some(({ type }) => type === 'user_input')) held.delete(asked as string);
      const lost = [...held].find((id) => !now.includes(id));
      if (lost) return `${lost} is lost`;
      return new Set(now).size === held.size || `held are ${now.join(', ')}`;
    }),

  'a message that is refused changes nothing, and one is refused only when the queue is full or the policy rejects': (
    graph,
    name,
  ) =>
    everyOpen(graph, name, (state) => {
      if (after(state, { type: 'message' }).length === 3) return true;
      const { queue, settings } = contextOf(state);
      return queue.length >= settings.queue_limit || (settings.busy === 'reject' && atWork(state));
    }),

  'every run is told to start before it is told to end, ends once, and its number never comes back': (graph, name) =>
    everyEdge(graph, name, ({ from, step }) => {
      const { run, queue, runs } = contextOf(from);
      const open = new Set(run ? [`s1-r${run.n}`] : []);
      const waiting = new Set(queue.map(({ run: n }) => `s1-r${n}`));
      for (const one of step.emitted) {
        if (one.type === 'message_accepted' && one.run_id === `s1-r${runs + 1}`) waiting.add(one.run_id);
        else if (one.type === 'run_started') {
          if (!waiting.delete(one.run_id)) return `${one.run_id} starts, which did not wait`;
          open.add(one.run_id);
        } else if (one.type === 'run_joined' && one.into !== one.run_id) waiting.delete(one.run_id);
        else if (isEnd(one) && !open.delete(one.run_id) && !waiting.delete(one.run_id))
          return `${one.run_id} ends, which was not there`;
      }
      const now = step.snapshot.context as SessionContext;
      const left = [...(now.run ? [now.run] : []), ...now.queue.map(({ run: n }) => ({ n }))];
      const numbers = left.map(({ n }) => `s1-r${n}`).sort();
      return numbers.join() === [...open, ...waiting].sort().join() || `left are ${numbers.join(', ') || 'none'}`;
    }),

  'a message that names an agent becomes part of a run of that agent only': (graph, name) =>
    everyEdge(graph, name, ({ from, event, step }) => {
      const { run } = step.snapshot.context as SessionContext;
      const taken = step.emitted.some((one) => one.type === 'user_input' && one.message_id === run?.message);
      if (!run || !taken) return true;
      const said = [...contextOf(from).queue, event as unknown as Pending].find(({ id }) => id === run.message);
      return said?.agent === undefined || said.agent === run.agent || `${run.agent} is given what is for ${said.agent}`;
    }),

  'the turn rests exactly when no run is open, and does not rest while messages wait and the AI has the floor': (
    graph,
    name,
  ) =>
    everyOpen(graph, name, (state) => {
      const { run, queue } = contextOf(state);
      const rests = state.name.endsWith('/idle');
      if (rests !== (run === null)) return 'a run without a turn, or a turn without a run';
      return !rests || queue.length === 0 || controlOf(state) !== 'automated';
    }),

  'a message that a person has answered is not answered by the AI too': (graph, name) =>
    everyOpen(graph, name, (state) => {
      if (!isHuman(state)) return true;
      const spoken = after(state, { type: 'inject', mode: 'speak' });
      return spoken.length === 1 && spoken.every(({ to }) => contextOf(to).queue.length === 0 && !isSuspended(to));
    }),

  'a question is answered once, and only under its own name': (graph, name) =>
    everyOpen(graph, name, (state) => {
      if (after(state, { approval: 'wrong' }).length > 0 || after(state, { call: 'wrong' }).length > 0)
        return 'the answer to another question is accepted';
      const asks = /awaiting(Approval|ClientTool)$/.test(state.name) && contextOf(state).run?.decision === undefined;
      const answers = [...after(state, { type: 'approve' }), ...after(state, { type: 'tool_result' })];
      return answers.length === (asks ? 2 : 0) || `${answers.length} answers are accepted`;
    }),

  'progress is taken only while an agent is at work, stops nothing, and is told of': (graph, name) =>
    everyOpen(graph, name, (state) => {
      const edges = after(state, { type: 'progressed' });
      const working = state.name.endsWith('/running.attempting');
      if (edges.length !== (working ? 1 : 0)) return 'progress is taken while nobody is at work, or refused';
      return edges.every(({ to, step }) => {
        const { run } = step.snapshot.context as SessionContext;
        const told = step.emitted.some(({ type }) => type === 'model_replied');
        return to.name === state.name && step.effects.length === 0 && run?.task === 1 && told;
      });
    }),

  'a run that goes to another agent arrives there, comes back with the reason, or ends': (graph, name) =>
    everyEdge(graph, name, ({ from, step }) => {
      const pending = contextOf(from).run?.transfer?.receipt;
      const { run } = step.snapshot.context as SessionContext;
      const told = step.emitted.filter((one) => 'receipt' in one && one.receipt === pending);
      if (pending === undefined || run?.transfer?.receipt === pending) return told.length === 0;
      if (told.length === 0) return run === null || run.n !== contextOf(from).run?.n || 'the transfer is forgotten';
      if (told.length > 1) return 'the transfer has two ends';
      return told[0]!.type === 'transfer_completed' || run?.decision?.kind === 'transfer';
    }),

  'from everywhere the session can come to rest with every message answered, without being cancelled or closed': (
    graph,
    name,
  ) =>
    reaches(graph, name, {
      from: isOpen,
      to: (state) => isOpen(state) && heldBy(contextOf(state)).length === 0,
      by: ({ event: { type } }) => !['cancel', 'close', 'fail'].includes(type),
    }),
};

const isSuspended = ({ name }: GraphState): boolean => name.endsWith('/suspended');

const atWork = ({ name }: GraphState): boolean =>
  ['screening', 'routing', 'attempting', 'backingOff'].some((state) => name.endsWith(state));

export const machinery: Record<string, Fact> = {
  'no deadlock: every open state accepts something': (graph, name) => {
    const [stuck] = deadlocks(graph);
    everyState(graph, name, (state) => state !== stuck);
  },

  'no two configurations have one name': (graph, name) => {
    const values = new Map<string, string>();
    everyState(graph, name, ({ name: stateName, snapshot }) => {
      const value = JSON.stringify(snapshot.value);
      const other = values.get(stateName) ?? value;
      values.set(stateName, value);
      return other === value || `${stateName} names ${other} and ${value}`;
    });
  },

  'every state that waits has an exit by work, by a timer or by a person who goes on': (graph, name) =>
    everyOpen(graph, name, (state) => {
      if (heldBy(contextOf(state)).length === 0) return true;
      return state.edges.some(
        (edge) => edge.to !== state && (byItself(edge) || ['resume', 'release'].includes(edge.event.type)),
      );
    }),

  'the fold of the effects is what the active states imply: no work or timer is left behind, none is missing': (
    graph,
    name,
  ) =>
    everyEdge(graph, name, ({ from, step }) => {
      const folded = [...foldOwed(owedBy(graph.pure, from.snapshot), step.effects)].sort().join();
      const implied = [...owedBy(graph.pure, step.snapshot)].sort().join();
      return folded === implied || `effects leave "${folded}", the states imply "${implied}"`;
    }),

  'a session that was stored and restored goes on as if nothing had happened': (graph, name) => {
    const { pure } = graph;
    const plain = (step: GraphEdge['step']) =>
      JSON.stringify([pure.dump(step.snapshot), step.changed, step.effects, step.emitted]);
    // Only the order of members may differ: what was undefined is not stored, and stands last when it comes back.
    const same = (a: string, b: string) => a === b || isDeepStrictEqual(JSON.parse(a), JSON.parse(b));
    let at: GraphState | undefined;
    let restored = undefined as unknown as GraphState['snapshot'];
    everyEdge(graph, name, ({ from, event, step }) => {
      // Edges come state by state; a step leaves its snapshot as it was.
      if (from !== at) restored = pure.restore(JSON.parse(JSON.stringify(pure.dump(from.snapshot))) as Dump);
      at = from;
      return same(plain(pure.step(restored, event)), plain(step));
    });
  },
};

/** Costly, and the same for every policy. */
export const abstraction: Fact = (graph, name) => {
  const outcomes = (snapshot: GraphState['snapshot']) =>
    offered(graph.pure, snapshot, world).map((event) => {
      const step = graph.pure.step(snapshot, event);
      return step.changed ? JSON.stringify([event.type, world.serialize(step.snapshot)]) : event.type;
    });
  const compared = new Set<GraphState>();
  everyEdge(graph, name, ({ to, step }) => {
    if (compared.has(to) || step.snapshot === to.snapshot || !isOpen(to)) return true;
    compared.add(to);
    return isDeepStrictEqual(outcomes(step.snapshot), outcomes(to.snapshot));
  });
};
