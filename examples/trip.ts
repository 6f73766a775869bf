// A flow: three agents look for offers at once, and a fourth books what they found, once a person has said yes.
import { defineAgent, Failed, type TroupeOptions } from 'troupe';

const trains = defineAgent({ id: 'trains', run: () => 'by train at 9:12, 89 €' });

/** It has nothing today, so its fallback answers in its place. */
const hotels = defineAgent({
  id: 'hotels',
  fallbacks: ['pensions'],
  run: () => {
    throw new Failed('fully_booked', 'every hotel is fully booked', false);
  },
});
const pensions = defineAgent({ id: 'pensions', run: () => 'two nights at the Pension am See, 140 €' });

/** Nobody waits long for a concert. */
const concerts = defineAgent({
  id: 'concerts',
  run: (_, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
});

const offers = defineAgent({
  kind: 'flow',
  id: 'offers',
  mode: 'parallel',
  steps: ['trains', 'hotels', { agent: 'concerts', timeout_ms: 100 }],
  on_failure: 'continue',
  aggregate: (results) =>
    results.map(({ step, output, error }) => `${step}: ${error ? `nothing (${error.code})` : output}`).join('\n'),
});

/** Asks before it spends money; when it is called again, the decision is there. */
const booking = defineAgent({
  id: 'booking',
  run: (offer, { call: { decision } }) => {
    if (!decision) return { type: 'approval_required', action: 'book', summary: offer };
    const isApproved = decision.kind === 'approval' && decision.decision === 'approve';
    return isApproved ? `Booked.\n${offer}` : 'All right, nothing is booked.';
  },
});

const trip = defineAgent({
  kind: 'flow',
  id: 'trip',
  description: 'Plans and books a trip.',
  triggers: ['plan a trip'],
  mode: 'sequential',
  steps: ['offers', { agent: 'booking', prompt: (_, [found]) => found!.output! }],
});

export default { agents: [trip, offers, booking, trains, hotels, pensions, concerts] } satisfies TroupeOptions;
