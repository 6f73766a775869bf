// The nodes that carry the sessions, and the shards that they own.
import { useShown } from '../frames.ts';
import { whole } from '../words.ts';
import type { Fleet } from './live.ts';

export function Nodes({ fleet }: { readonly fleet: Fleet }) {
  const nodes = useShown(fleet.view, (view) => view?.nodes);
  const shards = useShown(fleet.view, (view) => view?.shards);
  const places = nodes?.map(({ node }) => node) ?? [];
  return (
    <section className="panel" aria-label="Nodes">
      <h2>Nodes</h2>
      <table>
        <thead>
          <tr>
            <th>node</th>
            <th>state</th>
            <th className="num">sessions</th>
            <th className="num">awake</th>
            <th className="num">shards</th>
          </tr>
        </thead>
        <tbody>
          {nodes?.map((node, index) => (
            <tr key={node.node}>
              <td className="mono">
                {shards && shards.length > 0 && <span className={`swatch tone-${index % 6}`} />}
                {node.node}
              </td>
              <td>
                {node.answered ? (
                  (node.state ?? '–')
                ) : (
                  <span className="chip bad" title="what it has is missing from the sums">
                    no answer
                  </span>
                )}
              </td>
              <td className="num">{whole(node.sessions)}</td>
              <td className="num">{whole(node.resident)}</td>
              <td className="num">{whole(node.shards)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {shards && shards.length > 0 && (
        <ul className="shards" aria-label="Shards">
          {shards.map(({ shard, node, state }) => (
            <li
              key={shard}
              className={node === null ? 'nobody' : `tone-${places.indexOf(node) % 6} ${state}`}
              title={`shard ${shard}: ${state}${node === null ? '' : ` at ${node}`}`}
            >
              <span className="hidden">
                {shard} {state} {node}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
