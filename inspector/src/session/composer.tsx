// Saying something: as the user, or as the supervisor to the user, to the model, or to staff.
import { useRef, useState } from 'react';
import { command, say } from '../api.ts';
import { useKey } from '../keys.tsx';
import { amend } from '../place.tsx';
import { type Shared, useName } from './actions.tsx';

const MODES = [
  ['message', 'As the user', 'm', 'the user says this', 'message'],
  ['speak', 'Speak', 's', 'the user hears you', 'inject'],
  ['whisper', 'Whisper', 'w', 'only the model hears you', 'inject'],
  ['note', 'Note', 'n', 'only staff see this', 'inject'],
] as const;
type Mode = (typeof MODES)[number][0];

interface ComposerProps extends Shared {
  /** The session does not exist yet: the first message creates it. */
  readonly missing: boolean;
  readonly past: boolean;
  /** A person has the floor. */
  readonly held: boolean;
  /** Called when the first message was taken. */
  readonly began: () => void;
}

export function Composer({ id, allowed, send, missing, past, held, began }: ComposerProps) {
  const [chosen, setMode] = useState<Mode>();
  const [text, setText] = useState('');
  const [by, setBy] = useName();
  const field = useRef<HTMLTextAreaElement>(null);
  const may = (event: string): boolean => !past && (allowed.has(event) || (missing && event === 'message'));
  // Whoever has the floor speaks; the user is played only on purpose.
  const open = MODES.filter(([, , , , event]) => may(event));
  const first = (held && open.find(([name]) => name === 'speak')) || open[0];
  const mode = MODES.find(([name, , , , event]) => name === chosen && may(event)) ?? first;
  const choose = (name: Mode): void => {
    setMode(name);
    field.current?.focus();
  };
  const speak = async (): Promise<void> => {
    const content = text.trim();
    if (!mode || content === '') return;
    setText('');
    const work = () =>
      mode[0] === 'message' ? say(id, content) : command(id, 'inject', { mode: mode[0], content, by });
    const said = await send(work);
    if (!said) setText(content);
    else if (missing) {
      amend({ new: undefined });
      began();
    }
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void speak();
      }}
    >
      <div className="bar" role="radiogroup" aria-label="How to say it">
        {MODES.map(([name, title, keys, hint, event]) => (
          <ModeButton
            key={name}
            name={name}
            title={title}
            keys={keys}
            hint={hint}
            enabled={may(event)}
            chosen={mode?.[0] === name}
            choose={choose}
          />
        ))}
        {mode && mode[0] !== 'message' && (
          <label className="by">
            <span>as</span>
            <input
              value={by}
              required
              maxLength={200}
              size={10}
              onChange={(event) => setBy(event.target.value)}
              data-testid="by"
            />
          </label>
        )}
      </div>
      <div className={`say ${mode?.[0] ?? ''}`}>
        <textarea
          ref={field}
          rows={2}
          value={text}
          disabled={!mode}
          data-testid="compose"
          aria-label={mode ? `${mode[1]}: ${mode[3]}` : 'Nothing can be said now'}
          placeholder={mode ? `${mode[3][0]!.toUpperCase()}${mode[3].slice(1)}` : 'Nothing can be said now'}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') field.current?.blur();
            if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            void speak();
          }}
        />
        <button type="submit" className="primary" disabled={!mode || text.trim() === ''} data-testid="send">
          Send
        </button>
      </div>
    </form>
  );
}

interface ModeProps {
  readonly name: Mode;
  readonly title: string;
  readonly keys: string;
  readonly hint: string;
  readonly enabled: boolean;
  readonly chosen: boolean;
  readonly choose: (name: Mode) => void;
}

function ModeButton({ name, title, keys, hint, enabled, chosen, choose }: ModeProps) {
  const act = (): void => choose(name);
  useKey(keys, `${title}: ${hint}`, act, enabled);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a button of a group, with a key of its own
    <button
      type="button"
      role="radio"
      aria-checked={chosen}
      aria-keyshortcuts={keys}
      className={chosen ? `primary mode ${name}` : `mode ${name}`}
      disabled={!enabled}
      onClick={act}
      title={`${hint} (${keys})`}
      data-testid={`action-${name}`}
    >
      {title}
    </button>
  );
}
