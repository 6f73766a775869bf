// Whether the page hears the service.
import type { Problem } from './api.ts';
import type { Link } from './stream.ts';

const WORDS: Record<Link, readonly [tone: string, words: string]> = {
  connecting: ['', 'connecting'],
  live: ['live', 'live'],
  waiting: ['warn', 'connection lost, trying again'],
  ended: ['', 'ended'],
  refused: ['bad', 'refused'],
};

export function LinkState({ link, problem }: { readonly link: Link; readonly problem?: Problem }) {
  const [tone, words] = WORDS[link];
  return (
    <span className={`chip ${tone}`} role="status" data-testid="link">
      {link === 'refused' && problem ? problem.message : words}
    </span>
  );
}
