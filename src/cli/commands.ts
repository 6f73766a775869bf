// The commands a person types to act on a session, such as `/takeover ana` and `/say hello`: parses a line into a request.

/** A request to a session: `POST /v1/sessions/{id}/{path}` with this body. */
export interface Act {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A message to the person instead of a request. */
export interface Tell {
  readonly tell: string;
}

export type Read = { readonly act: Act; readonly by: string } | Tell | { readonly quit: true };

interface Command {
  /** The argument as the help shows it; undefined if there is none. */
  readonly takes?: string;
  readonly about: string;
  /** Whether the argument may be left out. */
  readonly optional?: boolean;
  readonly act: (rest: string, by: string) => Act | Tell;
}

const inject = (mode: string) => (content: string, by: string) => ({ path: 'inject', body: { mode, content, by } });

const decide = (decision: string) => (rest: string, by: string) => {
  const [, approval, reason] = /^(\S+)\s*(.*)$/s.exec(rest)!;
  return { path: `approvals/${approval}`, body: { decision, by, ...(reason && { reason }) } };
};

/** Approves a call with other arguments than the agent proposed. */
function amend(rest: string, by: string): Act | Tell {
  const [, approval, json] = /^(\S+)\s*(.*)$/s.exec(rest)!;
  try {
    return { path: `approvals/${approval}`, body: { decision: 'approve', by, arguments: JSON.parse(json!) } };
  } catch {
    return { tell: `/amend takes ${AMENDED}: ${json ? `${json} is no JSON` : 'the arguments are missing'}` };
  }
}
const AMENDED = '<approval> <arguments as JSON>';

const commands: Readonly<Record<string, Command>> = {
  pause: {
    takes: '[now]',
    about: 'pause the AI after its answer, or now',
    optional: true,
    act: (rest, by) => ({ path: 'pause', body: { by, mode: rest === 'now' ? 'interrupt' : 'drain' } }),
  },
  resume: { about: 'let the AI go on', act: (_, by) => ({ path: 'resume', body: { by } }) },
  takeover: {
    takes: '[name]',
    about: 'answer in place of the AI',
    optional: true,
    act: (name, by) => ({ path: 'takeover', body: { by: name || by } }),
  },
  say: { takes: '<text>', about: 'speak to the user', act: inject('speak') },
  whisper: { takes: '<text>', about: 'guide the next answer of the AI', act: inject('whisper') },
  note: { takes: '<text>', about: 'leave a note that only staff read', act: inject('note') },
  release: { about: 'give the floor back to the AI', act: (_, by) => ({ path: 'release', body: { by } }) },
  approve: { takes: '<approval> [reason]', about: 'let the agent do what it asks for', act: decide('approve') },
  amend: { takes: AMENDED, about: 'let it do the same with these arguments', act: amend },
  reject: { takes: '<approval> [reason]', about: 'do not', act: decide('reject') },
  cancel: { about: 'drop the answer that is being written', act: (_, by) => ({ path: 'cancel', body: { by } }) },
};

/** Parses `word rest`, with or without a leading `/`. After a takeover the given name is used for further commands. */
export function readCommand(line: string, by: string): Read {
  const [, word = '', rest = ''] = /^\/?(\S*)\s*(.*)$/s.exec(line.trim())!;
  if (word === 'quit' || word === 'exit') return { quit: true };
  if (word === 'help') return { tell: manual };
  const command = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (!command) return { tell: `there is no /${word}; /help lists what there is` };
  if (command.takes && !command.optional && rest === '') return { tell: `/${word} takes ${command.takes}` };
  const act = command.act(rest, by);
  if ('tell' in act) return act;
  return { act, by: act.path === 'takeover' ? (act.body.by as string) : by };
}

const manual = [
  ...Object.entries(commands).map(([word, { takes = '', about }]) => [`/${word} ${takes}`, about]),
  ['/quit', 'leave; the session stays as it is'],
]
  .map(([usage, about]) => `  ${usage!.padEnd(30)} ${about}`)
  .join('\n');
