// The transitions of one step, in words: from where to where, on what, and the guard that held.
import type { Transition } from '../../../src/charts/transitions.ts';
import { eventWords } from '../words.ts';

export function Transitions({ of }: { readonly of: readonly Transition[] }) {
  return (
    <details open={of.length > 0} data-testid="transitions">
      <summary>Transitions ({of.length})</summary>
      <ol className="transitions">
        {of.map((transition, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the same one may be taken twice, and they never move
          <li key={index}>
            <span className="mono">{way(transition)}</span> <span className="quiet">{cause(transition)}</span>
          </li>
        ))}
      </ol>
    </details>
  );
}

const short = (id: string): string => id.split('.').at(-1)!;

const way = ({ source, targets }: Transition): string =>
  targets.length === 0 ? `in ${short(source)}` : `${short(source)} → ${targets.map(short).join(', ')}`;

const cause = ({ kind, event, guard }: Transition): string =>
  [kind === 'always' ? 'always' : eventWords(event), guard && `[${guard}]`].filter(Boolean).join(' ');
