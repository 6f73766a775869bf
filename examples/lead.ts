// A lead orchestrator: finds companies in a city, has each one judged, and returns those that are worth a call.

import { defineAgent, defineOrchestrator } from 'troupe';
import { z } from 'zod';

const companies = z.array(z.object({ name: z.string(), staff: z.number() }));
const verdict = z.object({ score: z.number().min(0).max(1), reason: z.string() });

/** The operational agents. Here they are functions; a model or somebody else's service would do as well. */
export const leadAgents = [
  defineAgent({
    id: 'researcher',
    version: '2026-03',
    description: 'Finds companies of a trade in a city.',
    run: (message) => {
      const { city, trade } = JSON.parse(message);
      return JSON.stringify(
        ['Nord', 'Süd', 'West'].map((part, n) => ({ name: `${trade} ${city} ${part}`, staff: 4 ** n })),
      );
    },
  }),
  defineAgent({
    id: 'judge',
    version: '7',
    description: 'Says how well a company fits.',
    run: (message) => {
      const { staff } = JSON.parse(message);
      const score = Math.min(1, staff / 16);
      return JSON.stringify({ score, reason: `${staff} people work there` });
    },
  }),
];

export const lead = defineOrchestrator({
  name: 'lead',
  version: '1.0',
  description: 'Companies of a trade in a city that are worth a call.',
  payload: z.object({ city: z.string().min(2), trade: z.string().min(2), least_score: z.number().default(0.2) }),
  record: z.object({ company: z.string(), score: z.number(), reason: z.string() }),
  async run({ city, trade, least_score }, { call, step, record, progress, warn }) {
    // A step is remembered: an attempt after a crash goes on behind it.
    const found = await step('research', () => call('researcher', { city, trade }, { output: companies }));
    const leads = [];
    for (const [n, company] of found.data.entries()) {
      const judged = await step(`judge ${company.name}`, () => call('judge', company, { output: verdict }));
      progress((n + 1) / found.data.length, company.name);
      if (judged.data.score >= least_score)
        leads.push(record({ company: company.name, ...judged.data }, judged, { id: company.name }));
    }
    if (leads.length === 0) warn(`nobody in ${city} scores ${least_score} or more`);
    return leads;
  },
});
