// Plays recorded conversations through a running service, many at once, and reads their transcripts back.
import { isDeepStrictEqual } from 'node:util';
import type { TranscriptMessage } from '../../actors/transcript.ts';
import type { Service } from '../../src/cli/service.ts';
import type { Outcome } from '../../src/sessions/outcome.ts';
import type { Dialogue, Exchange } from './recorded.ts';

/** How a turn came to its agent. */
export interface Routed {
  readonly confidence: number;
  /** Whether the words alone said where it belongs, or only what they are a reply to. */
  readonly by: 'its words' | 'what it replies to';
}

/** Something that is not as it was recorded. */
export interface Mismatch {
  readonly session: string;
  readonly turn?: number;
  readonly recorded: unknown;
  readonly found: unknown;
}

export interface Played {
  readonly routed: readonly Routed[];
  readonly mismatches: readonly Mismatch[];
}

/** Plays every conversation, `atOnce` of them at a time; each waits for its answer before it goes on. */
export async function play(
  service: Service,
  dialogues: readonly Dialogue[],
  atOnce: number,
  onTurn: () => void,
): Promise<Played> {
  const routed: Routed[] = [];
  const mismatches: Mismatch[] = [];
  await eachOf(dialogues, atOnce, async ({ session, exchanges }) => {
    for (const [index, exchange] of exchanges.entries()) {
      const { agent_id, answer, trace } = await say(service, session, index + 1, exchange);
      const { agent, answer: recorded } = exchange;
      if (agent_id !== agent || answer !== recorded)
        mismatches.push({
          session,
          turn: index + 1,
          recorded: { agent, answer: recorded },
          found: { agent: agent_id, answer },
        });
      const route = trace.find(({ type }) => type === 'run_routed') as
        | { confidence?: number; reason?: string }
        | undefined;
      const by = route?.reason?.startsWith('in reply') ? 'what it replies to' : 'its words';
      routed.push({ confidence: route?.confidence ?? 0, by });
      onTurn();
    }
  });
  return { routed, mismatches };
}

const say = (service: Service, session: string, turn: number, { text: content }: Exchange): Promise<Outcome> =>
  service.post(`/v1/sessions/${session}/messages`, { content }, { 'idempotency-key': `${session}-${turn}` });

/** Compares every transcript with the file. */
export async function readBack(
  service: Service,
  dialogues: readonly Dialogue[],
  atOnce: number,
  onRead: () => void,
): Promise<readonly Mismatch[]> {
  const mismatches: Mismatch[] = [];
  await eachOf(dialogues, atOnce, async ({ session, exchanges }) => {
    const recorded = exchanges.flatMap(({ text, agent, answer }) => [
      { role: 'user', content: text },
      { role: 'assistant', content: answer, agent_id: agent },
    ]);
    const { messages } = await service.get<{ messages: TranscriptMessage[] }>(`/v1/sessions/${session}/messages`);
    const found = messages.map(({ role, content, agent_id }) =>
      role === 'assistant' ? { role, content, agent_id } : { role, content },
    );
    if (!isDeepStrictEqual(found, recorded)) mismatches.push({ session, recorded, found });
    onRead();
  });
  return mismatches;
}

/** Works on all items, `atOnce` of them at a time, in order. */
async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
