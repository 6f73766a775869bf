// The assignment of shards to nodes, over every sequence of nodes that come and go: balanced, steady, and right about who had what.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Assignment, assign, place } from '../src/cluster/table.ts';

const SHARDS = 64;
const names = fc.uniqueArray(
  fc.string({ unit: fc.constantFrom(...'abcdef0123456789'), minLength: 4, maxLength: 8 }).map((id) => `node-${id}`),
  { minLength: 1, maxLength: 8 },
);
const all = Array.from({ length: SHARDS }, (_, shard) => shard);

test('without nodes there is no place; with one everything is its own', () => {
  expect(place(0, [])).toBeUndefined();
  expect(new Set(all.map((shard) => place(shard, ['a'])))).toEqual(new Set(['a']));
});

test('a place depends on who is there, not on the order they are named in', () => {
  fc.assert(
    fc.property(names, (nodes) => {
      for (const shard of all) expect(place(shard, [...nodes].reverse())).toBe(place(shard, nodes));
    }),
  );
});

test('only the shards of a node that comes or goes move', () => {
  fc.assert(
    fc.property(names, fc.nat(), (nodes, index) => {
      const changing = nodes[index % nodes.length]!;
      const others = nodes.filter((node) => node !== changing);
      for (const shard of all) {
        const place_with = place(shard, nodes);
        if (place_with !== changing) expect(place(shard, others)).toBe(place_with);
      }
    }),
  );
});

test('no node has much more than its share', () => {
  // Of many shards, so that chance evens out.
  const many = 4_096;
  fc.assert(
    fc.property(names, (nodes) => {
      const counts = new Map(nodes.map((node) => [node, 0]));
      for (let shard = 0; shard < many; shard += 1) {
        const node = place(shard, nodes)!;
        counts.set(node, counts.get(node)! + 1);
      }
      const share = many / nodes.length;
      for (const count of counts.values()) {
        expect(count).toBeGreaterThan(share * 0.7);
        expect(count).toBeLessThan(share * 1.3);
      }
    }),
    { numRuns: 30 },
  );
});

test('writing the table again for the same nodes changes nothing', () => {
  fc.assert(
    fc.property(names, names, (before, after) => {
      const first = assign(SHARDS, before, undefined);
      const second = assign(SHARDS, after, first);
      expect(assign(SHARDS, after, second)).toEqual(second);
    }),
  );
});

/** Who comes and goes: `kill` is not asked any more, `leave` is alive until it has handed everything over. */
const change = fc.record({ what: fc.constantFrom('join', 'kill', 'leave'), which: fc.nat({ max: 5 }) });

test('whoever had a shard and is alive is asked for it; nobody who is dead, and nobody for its own', () => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 20 }), (changes) => {
      const live = new Set(['node-0']);
      const leaving = new Set<string>();
      let table: Assignment = assign(SHARDS, ['node-0'], undefined);
      for (const { what, which } of changes) {
        const node = `node-${which}`;
        if (what === 'join' && !live.has(node)) live.add(node);
        else if (what === 'kill' && live.size - leaving.size > 1) {
          live.delete(node);
          leaving.delete(node);
        } else if (what === 'leave' && live.has(node) && live.size - leaving.size > 1) leaving.add(node);
        const takers = [...live].filter((one) => !leaving.has(one));
        if (takers.length === 0) continue;
        const last = table;
        table = assign(SHARDS, takers, last, [...live]);
        for (const shard of all) {
          const [owner, before] = [table.owner[shard]!, table.before[shard]!];
          expect(takers).toContain(owner);
          expect(before).not.toBe(owner);
          if (before !== null) expect(live).toContain(before);
          const was = last.owner[shard]!;
          if (was !== owner) expect(before).toBe(live.has(was) ? was : null);
          else if (last.before[shard] !== null && live.has(last.before[shard]!))
            expect(before).toBe(last.before[shard]);
        }
      }
    }),
  );
});
