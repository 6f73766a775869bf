// A process that speaks the OpenAI API for the bench: three replies with a tool call, then an answer, each at the pace of a model.
import { modelServer } from '../src/testing/model-server.ts';

/** ms between two chunks of a reply, and chunks of the text: about 300 ms a reply, which is quick for a model. */
const PACE = 20;
const WORDS = 'this is what a quick model might well have to say about it';

const server = await modelServer(({ body }) => {
  const results = body.messages.slice(body.messages.findLastIndex(({ role }: { role: string }) => role === 'user'));
  const steps = results.filter(({ role }: { role: string }) => role === 'tool').length;
  if (steps >= 3) return { text: WORDS, pace_ms: PACE };
  return { text: WORDS, calls: [{ id: `c${steps}`, name: 'look', arguments: { step: steps } }], pace_ms: PACE };
});
console.log(server.url);
