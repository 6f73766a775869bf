// Actions that need to know more first: taking over, and closing for good.
import { type ReactNode, useRef, useState } from 'react';
import { command } from '../api.ts';
import { useKey } from '../keys.tsx';
import { type Shared, useName } from './actions.tsx';

export function TakeOver({ id, allowed, send, holder }: Shared & { readonly holder: string | null }) {
  const [by, setBy] = useName();
  const [minutes, setMinutes] = useState('');
  const [reason, setReason] = useState('');
  const take = (): void => {
    const deadline_ms = minutes === '' ? undefined : Math.round(Number(minutes) * 60_000);
    void send(() => command(id, 'takeover', { by, deadline_ms, reason: reason || undefined }));
  };
  return (
    <Asking
      name="takeover"
      keys="t"
      title="Take over"
      go="Take the floor"
      enabled={allowed.has('takeover')}
      act={take}
      primary
    >
      <p className="quiet">
        {holder
          ? `${holder} has the floor now.`
          : 'From the moment this is acknowledged, not one more word of the AI reaches the user.'}
      </p>
      <label>
        <span>Your name</span>
        <input
          required
          maxLength={200}
          value={by}
          onChange={(event) => setBy(event.target.value)}
          data-testid="takeover-by"
        />
      </label>
      <label>
        <span>Give the floor back after (minutes, empty: never)</span>
        <input
          type="number"
          min="0.01"
          step="any"
          value={minutes}
          onChange={(event) => setMinutes(event.target.value)}
          data-testid="takeover-deadline"
        />
      </label>
      <label>
        <span>Reason</span>
        <input maxLength={2000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
    </Asking>
  );
}

export function Close({ id, allowed, send }: Shared) {
  const [reason, setReason] = useState('');
  const close = (): void => void send(() => command(id, 'close', { reason: reason || undefined }));
  return (
    <Asking
      name="close"
      keys="Shift+X"
      title="Close"
      go="Close the session"
      enabled={allowed.has('close')}
      act={close}
      danger
    >
      <p>A closed session stays readable and never goes on.</p>
      <label>
        <span>Reason</span>
        <input maxLength={2000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </label>
    </Asking>
  );
}

interface AskingProps {
  readonly name: string;
  readonly keys: string;
  readonly title: string;
  readonly go: string;
  readonly enabled: boolean;
  readonly act: () => void;
  readonly primary?: boolean;
  readonly danger?: boolean;
  readonly children: ReactNode;
}

/** A button that asks in a dialog before it acts. */
function Asking({ name, keys, title, go, enabled, act, primary, danger, children }: AskingProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = (): void => dialog.current?.showModal();
  useKey(keys, `${title}…`, open, enabled);
  return (
    <>
      <button
        type="button"
        data-testid={`action-${name}`}
        className={danger ? 'danger' : primary ? 'primary' : undefined}
        disabled={!enabled}
        onClick={open}
        title={`${title} (${keys.replace('Shift+', '⇧')})`}
        aria-keyshortcuts={keys}
      >
        {title}
      </button>
      <dialog ref={dialog} aria-label={title}>
        <form
          className="form"
          onSubmit={(event) => {
            event.preventDefault();
            dialog.current?.close();
            act();
          }}
        >
          <h2>{title}</h2>
          {children}
          <div className="bar">
            <button type="submit" className={danger ? 'danger' : 'primary'} data-testid={`${name}-go`}>
              {go}
            </button>
            <button type="button" onClick={() => dialog.current?.close()}>
              Back
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
