// The sessions of the tenant, by state; and a way to begin one.
import { useCallback, useEffect, useRef, useState } from 'react';
import { type Listed, listed } from '../api.ts';
import { useKey } from '../keys.tsx';
import { amend, go, Link, useRoute } from '../place.tsx';
import { clock } from '../words.ts';
import './session.css';

const PAGE = 100;
/** Between two looks, ms. */
const LOOK = 2_000;

export default function Sessions() {
  const { state = '' } = useRoute().query;
  const { rows, next, problem, more } = useListed(state);
  const filter = useRef<HTMLInputElement>(null);
  useKey('/', 'Filter by state', () => filter.current?.focus());
  const begin = (): void => go(['sessions', newId()], { new: '1' });
  useKey('Shift+N', 'New session', begin);
  return (
    <div className="sessions" data-testid="sessions">
      <div className="bar">
        <h1>Sessions</h1>
        <label className="bar">
          <span>State</span>
          <input
            ref={filter}
            key={state}
            defaultValue={state}
            placeholder="human, running.awaitingApproval, …"
            size={30}
            onChange={(event) => amend({ state: event.target.value.trim() || undefined })}
            data-testid="filter"
          />
        </label>
        <Open />
        <button type="button" className="primary" onClick={begin} data-testid="new-session">
          New session
        </button>
      </div>
      {problem && <p className="notice">{problem}</p>}
      <table>
        <thead>
          <tr>
            <th>session</th>
            <th>state</th>
            <th className="num">entries</th>
            <th className="num">changed</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.session_id} data-testid={`session-row-${row.session_id}`}>
              <td>
                <Link path={['sessions', row.session_id]}>{row.session_id}</Link>
              </td>
              <td className="mono">{row.state}</td>
              <td className="num">{row.entry}</td>
              <td className="num quiet">{clock(row.updated_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p className="quiet waiting">No session is in this state.</p>}
      {next && (
        <button type="button" onClick={more}>
          More
        </button>
      )}
    </div>
  );
}

/** Goes to a session by its id, also to one that is not listed here. */
function Open() {
  return (
    <form
      className="bar"
      onSubmit={(event) => {
        event.preventDefault();
        const id = new FormData(event.currentTarget).get('id') as string;
        if (id) go(['sessions', id]);
      }}
    >
      <label className="bar">
        <span>Id</span>
        <input name="id" size={16} pattern="[a-z0-9_\-]{1,63}" placeholder="open by id" />
      </label>
    </form>
  );
}

function newId(): string {
  return `s-${crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36)}`;
}

/** The first pages of the list, looked at again and again; `more` adds a page. */
function useListed(state: string) {
  const [pages, setPages] = useState(1);
  const [rows, setRows] = useState<readonly Listed[]>([]);
  const [next, setNext] = useState(false);
  const [problem, setProblem] = useState<string>();
  const look = useCallback(async (): Promise<void> => {
    const all: Listed[] = [];
    let cursor: string | undefined;
    try {
      for (let page = 0; page < pages; page += 1) {
        const query = { limit: String(PAGE), ...(state && { state }), ...(cursor && { cursor }) };
        const answer = await listed(query);
        all.push(...answer.sessions);
        cursor = answer.next_cursor;
        if (!cursor) break;
      }
      setRows(all);
      setNext(cursor !== undefined);
      setProblem(undefined);
    } catch (error) {
      setProblem((error as Error).message);
    }
  }, [state, pages]);
  useEffect(() => {
    void look();
    const timer = setInterval(() => !document.hidden && void look(), LOOK);
    return () => clearInterval(timer);
  }, [look]);
  return { rows, next, problem, more: () => setPages(pages + 1) };
}
