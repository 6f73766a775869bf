// One session: its chart, what was said, what was remembered, and what a person may do about it; now or at any entry before.
import { useMemo, useState } from 'react';
import { useShown } from '../frames.ts';
import { LinkState } from '../link.tsx';
import { amend, Link, useRoute } from '../place.tsx';
import { clock, span, whole } from '../words.ts';
import { Actions } from './actions.tsx';
import { SessionChart } from './chart.tsx';
import { Sequence } from './drawn-sequence.tsx';
import { Journal } from './journal.tsx';
import { type Now, useSession } from './live.ts';
import { floorOf } from './model.ts';
import { useTaken } from './taken.ts';
import { useNow } from './ticking.ts';
import { Timeline } from './timeline.tsx';
import { Transcript } from './transcript.tsx';
import './session.css';

const TABS = { transcript: 'Transcript', sequence: 'Sequence', journal: 'Journal' } as const;
type Tab = keyof typeof TABS;

export default function SessionView() {
  const id = useRoute().path[1]!;
  return <One key={id} id={id} />;
}

function One({ id }: { readonly id: string }) {
  const { query } = useRoute();
  const session = useSession(id, query.new !== undefined);
  const now = useShown(session.now);
  const last = now.entries.length;
  const at = query.at === undefined ? last : Math.min(Math.max(1, Number(query.at) || 1), Math.max(1, last));
  const past = query.at !== undefined && at < last;
  const entries = useMemo(() => (past ? now.entries.slice(0, at) : now.entries), [now.entries, past, at]);
  const taken = useTaken(id, entries.at(-1));
  const tab: Tab = query.tab && query.tab in TABS ? (query.tab as Tab) : 'transcript';
  return (
    <div className="session" data-testid="session" data-at={at} data-live={!past}>
      <Heading id={id} now={now} past={past} at={at} />
      <div className="session-chart">
        <SessionChart entry={entries.at(-1)} taken={taken} />
        <Timeline session={session} at={at} last={last} past={past} entries={now.entries} />
      </div>
      <div className="session-side panel">
        <div className="tabs" role="tablist" aria-label="What to see of the session">
          {(Object.keys(TABS) as Tab[]).map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`tab-${name}`}
              aria-selected={tab === name}
              aria-controls="tabpanel"
              onClick={() => amend({ tab: name === 'transcript' ? undefined : name })}
            >
              {TABS[name]}
            </button>
          ))}
        </div>
        <div id="tabpanel" role="tabpanel" aria-labelledby={`tab-${tab}`} className="tabpanel">
          {tab === 'transcript' && <Transcript entries={entries} answer={past ? null : now.answer} />}
          {tab === 'sequence' && <Sequence entries={entries} />}
          {tab === 'journal' && <Journal entries={now.entries} at={at} taken={taken} />}
        </div>
        <Actions session={session} now={now} past={past} />
      </div>
    </div>
  );
}

interface HeadingProps {
  readonly id: string;
  readonly now: Now;
  readonly past: boolean;
  readonly at: number;
}

function Heading({ id, now, past, at }: HeadingProps) {
  const entry = now.entries[at - 1];
  const floor = entry && floorOf(entry);
  const [copied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard?.writeText(id).then(() => setCopied(true));
  return (
    <div className="bar session-heading">
      <h1>
        <span className="hidden">Session </span>
        <button type="button" className="name mono" onClick={copy} title={copied ? 'copied' : 'copy the id'}>
          {id}
        </button>
      </h1>
      {entry && (
        <span className={`chip ${past ? 'warn' : 'live'} mono`} data-testid="session-state">
          {entry.state}
        </span>
      )}
      {floor?.holder && (
        <span className="chip warn" data-testid="holder">
          {floor.holder} has the floor
          {floor.until !== undefined && !past && <Until at={floor.until} />}
        </span>
      )}
      {floor && floor.waiting > 0 && <span className="quiet">{whole(floor.waiting)} waiting</span>}
      {floor && <span className="quiet">epoch {floor.epoch}</span>}
      {past && entry ? (
        <span className="chip warn" role="status">
          as it was at {clock(entry.at, true)}
        </span>
      ) : (
        <LinkState link={now.link} problem={now.problem} />
      )}
      <Link className="back" path={['sessions']}>
        All sessions
      </Link>
    </div>
  );
}

/** Counts down to the moment when the floor returns to the AI. */
function Until({ at }: { readonly at: number }) {
  const now = useNow(1_000);
  return <> for {span(Math.max(0, at - now))}</>;
}
