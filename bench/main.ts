// npm run bench: every figure of what fast means, each a ratio of two things measured in this very run.
import { cluster, clusterFlat, takeover } from './cluster.ts';
import { flat } from './flat.ts';
import { deltas, http } from './http.ts';
import { inspector } from './inspector.ts';
import { llm } from './llm.ts';
import { type Figure, row, say } from './measure.ts';
import { passivated, resident, waking } from './memory.ts';
import { alone, durable, inMemory } from './turns.ts';

const benches: Record<string, () => Promise<Figure | Figure[]>> = {
  memory: inMemory,
  durable,
  alone,
  resident,
  passivated,
  waking,
  http,
  deltas,
  flat,
  cluster,
  takeover,
  'cluster-flat': clusterFlat,
  llm,
  inspector,
};

const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const unknown = wanted.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`there is no bench ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}

const figures: Figure[] = [];
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  for (const figure of [await bench()].flat()) {
    figures.push(figure);
    say(row(figure));
  }
}
if (process.argv.includes('--json')) console.log(JSON.stringify(figures, null, 2));
const missed = figures.filter(({ holds }) => !holds);
say(missed.length === 0 ? 'Every target is met.' : `${missed.length} of ${figures.length} targets are missed.`);
process.exit(missed.length === 0 ? 0 : 1);
