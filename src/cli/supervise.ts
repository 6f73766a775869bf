// `troupe supervise`: watches a session as staff see it, and acts on it.
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { TranscriptMessage } from '../../actors/transcript.ts';
import type { SessionView } from '../../actors/view.ts';
import { type AccessOptions, accessOptions, serviceOf } from './access.ts';
import { act, complaint } from './chat.ts';
import { readCommand } from './commands.ts';
import { Screen, type Told } from './screen.ts';
import { Complaint, type Service } from './service.ts';
import { Terminal } from './terminal.ts';
import { viewOf, Watch } from './watch.ts';

export const supervise = accessOptions(new Command('supervise'))
  .description('watch a session and act on it: takeover, say, whisper, note, release, approve, amend, reject')
  .argument('<session>', 'the session')
  .option('--as <name>', 'your name, as the user and the journal will read it')
  .action(async (session: string, options: AccessOptions & { as?: string }) => {
    const service = await serviceOf(options);
    const view = await viewOf(service, session);
    if (!view) throw new Complaint('unknown_session', `there is no session "${session}"`);
    await attend(service, session, view, options.as ?? process.env.USER ?? 'supervisor');
  });

async function attend(service: Service, session: string, view: SessionView, name: string): Promise<void> {
  const terminal = new Terminal('supervise› ');
  const screen = new Screen(terminal.write, { staff: true });
  const messages = await messagesOf(service, session);
  for (const message of messages) screen.say(lineOf(message));
  screen.say(styleText('dim', `watching ${session}; /help lists what you may type`));
  showQuestion(screen, view);
  const watch = new Watch(service, session, screen, view.entry, waitingShown(screen));
  watch.ended.catch((error: Error) => screen.say(complaint(error))).then(() => terminal.close());

  let by = name;
  for await (const line of terminal.typed()) {
    const read = readCommand(line, by);
    if ('quit' in read) break;
    if ('tell' in read) {
      screen.say(read.tell);
      continue;
    }
    by = read.by;
    const told = act(service, session, read.act, watch).catch((error: Error) => screen.say(complaint(error)));
    if (!terminal.interactive) await told;
  }
  terminal.close();
  watch.stop();
}

/** Prints the open question: its event came before the watch began. */
function showQuestion(screen: Screen, { run }: SessionView): void {
  if (run?.asks) screen.asks(run.question!, run.asks);
}

/** Prints a message that waits for a person: no run takes it up, so no other event shows its text. */
function waitingShown(screen: Screen): (told: Told) => void {
  let said = '';
  return (told) => {
    if (told.type === 'message_accepted') said = told.content;
    if (told.type === 'state_change' && told.event === 'message' && told.waiting !== 0)
      screen.say(styleText('green', `user (waits): ${said}`));
  };
}

const messagesOf = async (service: Service, session: string): Promise<readonly TranscriptMessage[]> =>
  (await service.get<{ messages: TranscriptMessage[] }>(`/v1/sessions/${session}/messages?view=full`)).messages;

const lineOf = ({ role, content, by, agent_id, mode }: TranscriptMessage): string =>
  `${by ?? agent_id ?? role}${mode && mode !== 'speak' ? ` (${mode})` : ''}: ${content}`;
