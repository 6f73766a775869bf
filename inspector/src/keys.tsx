// The keyboard: views say which keys they listen to and what for; `?` shows them all.
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';

interface Binding {
  readonly keys: string;
  readonly title: string;
  readonly act: () => void;
  readonly enabled: boolean;
}

const bound = new Map<symbol, Binding>();
const watchers = new Set<() => void>();
let listed: readonly Binding[] = [];
/** The first key of two, while the second one is awaited. */
let first: { readonly key: string; readonly at: number } | undefined;
const SECOND = 1_000;

/** Listens to `keys` (`p`, `Shift+P`, `g f`, `ArrowLeft`) while the component is there. */
export function useKey(keys: string, title: string, act: () => void, enabled = true): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const id = Symbol(keys);
    bound.set(id, { keys, title, act: () => latest.current(), enabled });
    changed();
    return () => {
      bound.delete(id);
      changed();
    };
  }, [keys, title, enabled]);
}

function changed(): void {
  listed = [...bound.values()];
  for (const watcher of watchers) watcher();
}

/** Keys mean something only where nothing else takes them: not in a field, nor in a dialog. */
function free({ target }: KeyboardEvent): boolean {
  const { tagName, isContentEditable, type } = target as HTMLInputElement;
  const writes =
    tagName === 'TEXTAREA' || tagName === 'SELECT' || (tagName === 'INPUT' && type !== 'checkbox' && type !== 'range');
  return !writes && !isContentEditable && !document.querySelector('dialog[open]');
}

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !free(event)) return;
  const key = event.shiftKey && event.key.length === 1 && event.key !== '?' ? `Shift+${event.key}` : event.key;
  const both = first && Date.now() - first.at < SECOND ? `${first.key} ${key}` : key;
  first = undefined;
  const found = listed.find(({ keys }) => keys === both) ?? listed.find(({ keys }) => keys === key);
  if (!found && listed.some(({ keys }) => keys.startsWith(`${key} `))) first = { key, at: Date.now() };
  if (!found?.enabled) return;
  event.preventDefault();
  found.act();
});

/** The button and the dialog that list the keys. */
export function Keys() {
  const [open, setOpen] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const bindings = useSyncExternalStore(watch, () => listed);
  useKey('?', 'Show the keys', () => setOpen(true));
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <>
      <button type="button" className="round" aria-label="Keys" aria-keyshortcuts="?" onClick={() => setOpen(true)}>
        ?
      </button>
      <dialog ref={dialog} aria-label="Keys" className="keys" onClose={() => setOpen(false)}>
        <h2>Keys</h2>
        <dl>
          {bindings.map(({ keys, title }) => (
            <div key={keys}>
              <dt>
                {keys.split(' ').map((key) => (
                  <kbd key={key}>{key.replace('Shift+', '⇧').replace('ArrowLeft', '←').replace('ArrowRight', '→')}</kbd>
                ))}
              </dt>
              <dd>{title}</dd>
            </div>
          ))}
        </dl>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </>
  );
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}
