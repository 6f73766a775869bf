// Heartbeats: what the instances of an agent that share its one subject say of themselves, added up.

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
  /** Seconds until the next one; 30 unless told. */
  interval_s: z.number().positive().max(86_400).optional().describe('seconds until the next one'),
  ts: z.union([z.number(), z.string()]).optional(),
});

/** The pool calls an agent of kind `nats` through one endpoint of this name, whichever instance then takes the call. */
const SUBJECT = 'subject';

type Register = (tenant: string, agent_id: string) => Promise<void> | undefined;

export class Heartbeats {
  readonly #pool: AgentPool;
  readonly #register: Register;

  /** `register` makes an agent known; in this process only unless told. */
  constructor(pool: AgentPool, register: Register = (tenant, id) => void pool.register(tenant, { id, kind: 'nats' })) {
    this.#pool = pool;
    this.#register = register;
  }

  /**
   * Notes a sign of life. An agent that nobody declared becomes one of this tenant, called on its subject, until it is
   * deregistered. Rejects with `Refused('unknown_instance')` when the agent is called elsewhere and has no such instance there.
   */
  async hear(tenant: string, agent_id: string, beat: Heartbeat): Promise<void> {
    const registered = this.#pool.get(tenant, agent_id) ? undefined : this.#register(tenant, agent_id);
    if (registered) await registered;
    this.note(tenant, agent_id, beat);
  }

  /** Notes a sign of life of an agent that is known. Throws `Refused`: `unknown_agent`, or `unknown_instance` as `hear`. */
  note(tenant: string, agent_id: string, beat: Heartbeat): void {
    const { instances } = this.#pool;
    const shares = this.#pool.get(tenant, agent_id)?.definition.kind === 'nats';
    if (shares) instances.hear(tenant, agent_id, beat);
    this.#pool.heartbeat(tenant, agent_id, shares ? together(instances.beats(tenant, agent_id)) : beat);
  }
}

/** One heartbeat for all instances that are still heard of. */
function together(beats: readonly Heartbeat[]): Heartbeat {
  return {
    instance_id: SUBJECT,
    in_flight: sum(beats.map(({ in_flight = 0 }) => in_flight)),
    // Who does not say how much it takes at once is taken to have no limit.
    ...(beats.every(({ capacity }) => capacity !== undefined) && {
      capacity: sum(beats.map(({ capacity = 0 }) => capacity)),
    }),
    interval_s: Math.max(...beats.map(intervalOf)),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
