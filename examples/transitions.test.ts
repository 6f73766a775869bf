// Unit tests of transitions: no clock, no network, no mocks. Run them with `node --test examples/transitions.test.ts`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionMachine, settings } from 'troupe/machines';
import { start } from 'troupe/testing';

const hello = { type: 'message', id: 'm1', content: 'hello' } as const;
const greeter = { agent: 'greeter', confidence: 1, reason: 'it is a greeting' };

const session = () => start(sessionMachine, { id: 's1', settings: settings.parse({}) });

test('a message is routed, then answered', () => {
  const s = session().send(hello);
  assert.equal(s.state, 'automated/routing');
  s.done('router', greeter);
  assert.equal(s.state, 'automated/running.attempting');
  s.done('agent', { result: { type: 'answer', final_message: 'hi' }, endpoint: 'greeter/local', ms: 1 });
  assert.equal(s.state, 'automated/idle');
  assert.deepEqual(
    s.emitted.map(({ type }) => type),
    ['agent_invoke_done', 'run_done'],
  );
});

test('taking over stops the agent, whatever it was about to say', () => {
  const s = session().send({ ...hello, route: greeter });
  s.send({ type: 'takeover', by: 'ana' });
  assert.equal(s.state, 'human.held/suspended');
  assert.deepEqual(s.owed, []);
});
