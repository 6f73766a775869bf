// `troupe chat`: a conversation in the terminal, streamed as it is written.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { TranscriptMessage } from '../../actors/transcript.ts';
import type { SessionView } from '../../actors/view.ts';
import type { Outcome } from '../sessions/outcome.ts';
import { type AccessOptions, accessOptions, serviceOf } from './access.ts';
import { type Act, readCommand } from './commands.ts';
import { Screen } from './screen.ts';
import { Complaint, type Service, Unreachable } from './service.ts';
import { Terminal } from './terminal.ts';
import { viewOf, Watch } from './watch.ts';

/** Messages of an earlier conversation that are printed again. */
const EARLIER = 10;

export const chat = accessOptions(new Command('chat'))
  .description('talk to the agents; /help lists what else you may type')
  .option('-s, --session <id>', 'the session to talk in; a new one unless told')
  .action(async (options: AccessOptions & { session?: string }) => {
    const service = await serviceOf(options);
    await converse(service, options.session ?? `chat-${randomUUID().slice(0, 8)}`);
  });

async function converse(service: Service, session: string): Promise<void> {
  const known = await viewOf(service, session);
  const view = known ?? (await service.post<SessionView>('/v1/sessions', { session_id: session }));
  const terminal = new Terminal();
  const screen = new Screen(terminal.write);
  screen.say(styleText('dim', `session ${session} at ${service.url}; /help lists what you may type`));
  if (known) await showEarlier(service, session, screen);
  const watch = new Watch(service, session, screen, view.entry);
  watch.ended.catch((error: Error) => screen.say(complaint(error))).then(() => terminal.close());

  let by = process.env.USER ?? 'supervisor';
  for await (const line of terminal.typed()) {
    let doing: Promise<void>;
    if (line.startsWith('/')) {
      const read = readCommand(line, by);
      if ('quit' in read) break;
      if ('tell' in read) {
        screen.say(read.tell);
        continue;
      }
      by = read.by;
      doing = act(service, session, read.act, watch);
    } else doing = say(service, session, line, watch, screen);
    const told = doing.catch((error: Error) => screen.say(complaint(error)));
    if (!terminal.interactive) await told;
  }
  if (!terminal.interactive) await settled(service, session, watch);
  terminal.close();
  watch.stop();
  if (terminal.interactive) console.log(`\nCome back with: npx troupe chat --session ${session} --url ${service.url}`);
}

async function showEarlier(service: Service, session: string, screen: Screen): Promise<void> {
  const { messages } = await service.get<{ messages: TranscriptMessage[] }>(`/v1/sessions/${session}/messages`);
  for (const { role, content, agent_id, by, mode } of messages.slice(-EARLIER)) {
    if (role === 'tool' || (mode !== undefined && mode !== 'speak')) continue;
    screen.say(`${role === 'user' ? 'you' : (by ?? agent_id ?? role)}: ${content}`);
  }
}

/** Sends a message once, over any number of retries. Resolves when all of its events are printed. */
async function say(service: Service, session: string, content: string, watch: Watch, screen: Screen): Promise<void> {
  const status = await statusOf(service, session, content);
  const { entry } = await service.get<SessionView>(`/v1/sessions/${session}`);
  await watch.seen(entry);
  if (status === 'accepted') screen.say(styleText('dim', '(kept; nobody answers it yet)'));
}

async function statusOf(service: Service, session: string, content: string): Promise<Outcome['status']> {
  const key = { 'idempotency-key': randomUUID() };
  for (;;) {
    try {
      return (await service.post<Outcome>(`/v1/sessions/${session}/messages`, { content }, key)).status;
    } catch (error) {
      if (error instanceof Complaint && error.details.run_id !== undefined) return 'failed';
      if (!(error instanceof Unreachable)) throw error;
      await pause(500);
    }
  }
}

/** Resolves when the AI has finished and waits for input. */
async function settled(service: Service, session: string, watch: Watch): Promise<void> {
  for (;;) {
    const { control, turn, entry } = await service.get<SessionView>(`/v1/sessions/${session}`);
    await watch.seen(entry);
    const waits = turn === null || turn === 'idle' || /suspended|awaiting/.test(turn);
    if (waits || control === 'human') return;
    await watch.seen(entry + 1);
  }
}

export async function act(service: Service, session: string, { path, body }: Act, watch: Watch): Promise<void> {
  const { entry } = await service.post<SessionView>(`/v1/sessions/${session}/${path}`, body);
  await watch.seen(entry);
}

export const complaint = (error: Error): string =>
  styleText('red', `✗ ${error.message}${error instanceof Complaint ? ` (${error.code})` : ''}`);
