// An agent outside, on NATS: node examples/agents/nats-agent.js [nats://127.0.0.1:4222] [order-status]
// Troupe needs no word of it: it says by itself that it is there. As many as you start share the work.
import { connect } from '@nats-io/transport-node';

const [url = process.env.NATS_URL ?? 'nats://127.0.0.1:4222', agent = process.env.AGENT ?? 'order-status'] =
  process.argv.slice(2);
const subject = `troupe.default.agent.${agent}`;
const instance_id = `node-${process.pid}`;
const nats = await connect({ servers: url, maxReconnectAttempts: -1 });

function answer(_, message) {
  const { input } = message.json();
  const [order] = /\d+/.exec(input.at(-1).content) ?? [];
  const words = order ? `Your order ${order} is with the courier.` : 'What is the number of your order?';
  // With its name from the heartbeats: if they stop in the middle of an answer, another instance is asked at once.
  const say = (text) => message.respond(JSON.stringify({ type: 'delta', text, instance_id }));
  for (const text of words.split(/(?<= )/)) say(text);
  message.respond(JSON.stringify({ type: 'done' }));
}

nats.subscribe(`${subject}.invoke`, { queue: 'agents', callback: answer });

const beat = () => nats.publish(`${subject}.heartbeat`, JSON.stringify({ instance_id, interval_s: 5, ts: Date.now() }));
setInterval(beat, 5_000).unref();
beat();

await nats.flush();
console.log(`${agent} listens at ${url}`);
// Answers what it was given, then leaves.
process.once('SIGTERM', () => nats.drain());
