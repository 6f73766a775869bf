// Heartbeats of agents: receives them per instance and sums up the instances that share an agent's one subject.

import { z } from 'zod';
import { token } from '../../machines/session/events.ts';
import type { Heartbeat } from '../agents/endpoint.ts';
import { intervalOf } from '../agents/instances.ts';
import type { AgentPool } from '../agents/pool.ts';

/** The body of a heartbeat, over HTTP and on `troupe.<tenant>.agent.<agent>.heartbeat`. */
export const heartbeat = z.strictObject({
  instance_id: token,
  in_flight: z.int().min(0).optional(),
  capacity: z.int().min(1).optional(),
  /** Seconds until the next heartbeat. Default 30. */
  interval_s: z.number().positive().max(86_400).optional().describe('seconds until the next one'),
  ts: z.union([z.number(), z.string()]).optional(),
});

/** Name of the single endpoint of an agent of kind `nats`; NATS picks the instance that takes a call. */
const SUBJECT = 'subject';

type Register = (tenant: string, agent_id: string) => Promise<void> | undefined;

export class Heartbeats {
  readonly #pool: AgentPool;
  readonly #register: Register;

  /** `register` registers an agent. Default: in this process only. */
  constructor(pool: AgentPool, register: Register = (tenant, id) => void pool.register(tenant, { id, kind: 'nats' })) {
    this.#pool = pool;
    this.#register = register;
  }

  /**
   * Records a heartbeat. An agent that is not registered becomes an agent of this tenant, called on its subject, until it is
   * deregistered. Rejects with `Refused('unknown_instance')` if the agent is called otherwise and has no such instance.
   */
  async hear(tenant: string, agent_id: string, beat: Heartbeat): Promise<void> {
    const registered = this.#pool.get(tenant, agent_id) ? undefined : this.#register(tenant, agent_id);
    if (registered) await registered;
    this.note(tenant, agent_id, beat);
  }

  /** Records a heartbeat of a registered agent. Throws `Refused`: `unknown_agent`, or `unknown_instance` as `hear`. */
  note(tenant: string, agent_id: string, beat: Heartbeat): void {
    const { instances } = this.#pool;
    const shares = this.#pool.get(tenant, agent_id)?.definition.kind === 'nats';
    if (shares) instances.hear(tenant, agent_id, beat);
    this.#pool.heartbeat(tenant, agent_id, shares ? together(instances.beats(tenant, agent_id)) : beat);
  }
}

/** One heartbeat for all instances that are alive. */
function together(beats: readonly Heartbeat[]): Heartbeat {
  return {
    instance_id: SUBJECT,
    in_flight: sum(beats.map(({ in_flight = 0 }) => in_flight)),
    // An instance that reports no capacity counts as unlimited.
    ...(beats.every(({ capacity }) => capacity !== undefined) && {
      capacity: sum(beats.map(({ capacity = 0 }) => capacity)),
    }),
    interval_s: Math.max(...beats.map(intervalOf)),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
