// A campaign: enqueues a lead run for every city instead of waiting for each, then says what came of them. Run it: node examples/campaign.ts

import { createTroupe, defineOrchestrator } from 'troupe';
import { z } from 'zod';
import { lead, leadAgents } from './lead.ts';

export const campaign = defineOrchestrator({
  name: 'campaign',
  version: '1.0',
  description: 'Looks for leads in many cities, each as a job of its own.',
  payload: z.object({ trade: z.string(), cities: z.array(z.string()).min(1).max(10_000) }),
  record: z.object({ city: z.string(), job_id: z.string() }),
  async run({ trade, cities }, { enqueue, record, progress }) {
    const records = [];
    for (const [n, city] of cities.entries()) {
      // An attempt after a crash enqueues the same jobs, not more of them.
      const job = await enqueue('lead', { city, trade }, { priority: n === 0 ? 'high' : 'normal' });
      records.push(record({ city, job_id: job.job_id }, job));
      progress((n + 1) / cities.length, city);
    }
    return records;
  },
});

if (import.meta.main) {
  const troupe = await createTroupe({ agents: leadAgents, orchestrators: [lead, campaign], jobs: { workers: 3 } });
  const cities = ['Bremen', 'Lübeck', 'Rostock', 'Kiel'];
  const { job_id } = await troupe.enqueue('campaign', { trade: 'Bakery', cities });
  const { result } = await troupe.jobs.ended(job_id);
  for (const { data } of result!.records) {
    const { city, job_id } = data as { city: string; job_id: string };
    const run = await troupe.jobs.ended(job_id);
    const leads = run.result!.records.map((one) => (one.data as { company: string }).company);
    console.log(`${city}: ${leads.join(', ')}`);
  }
  await troupe.close();
}
