// The one test that an orchestrator needs: its payload in, its records out, on the backends that ship with Troupe. Run it: node examples/lead.test.ts
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTroupe } from 'troupe';
import { lead, leadAgents } from './lead.ts';

test('companies that score enough are leads, and each says who judged it', async () => {
  const troupe = await createTroupe({ agents: leadAgents, orchestrators: [lead] });
  const { records, metadata } = await troupe.run('lead', { city: 'Kiel', trade: 'Bakery' });
  assert.deepEqual(
    records.map(({ data }) => data),
    [
      { company: 'Bakery Kiel Süd', score: 0.25, reason: '4 people work there' },
      { company: 'Bakery Kiel West', score: 1, reason: '16 people work there' },
    ],
  );
  assert.ok(records.every(({ provenance }) => provenance.agent === 'judge' && provenance.agent_version === '7'));
  assert.equal(metadata.counts.calls, 4);
  await troupe.close();
});

test('a city without a name is refused', async () => {
  const troupe = await createTroupe({ agents: leadAgents, orchestrators: [lead] });
  await assert.rejects(troupe.run('lead', { city: '', trade: 'Bakery' }), { code: 'bad_request' });
  await troupe.close();
});
