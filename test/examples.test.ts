// Every example runs, without a key and without a network.
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import frontDesk from '../examples/front-desk.ts';
import trip from '../examples/trip.ts';
import { createTroupe } from '../src/troupe.ts';
import { askedIn } from './agents.ts';

const examples = new URL('../examples/', import.meta.url);
const at = (name: string): string => fileURLToPath(new URL(name, examples));

/** Runs an example that serves, on a free port; resolves to where it listens. */
async function serving(name: string) {
  const child = spawn(process.execPath, [at(name)], { env: { ...process.env, PORT: '0' } });
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said += chunk;
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
      if (found) resolve(found[0]);
    });
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}: ${said}`)));
  });
  return { url, [Symbol.dispose]: () => void child.kill() };
}

test('every example is tested here', () => {
  const files = readdirSync(examples, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  expect(files.sort()).toEqual([
    'agents/http-agent.ts',
    'assistant.ts',
    'campaign.ts',
    'delivery.ts',
    'embed.ts',
    'front-desk.ts',
    'lead.test.ts',
    'lead.ts',
    'refund.ts',
    'transitions.test.ts',
    'trip.ts',
  ]);
});

test('an example imports the package by its name, so that it runs wherever it is copied to', () => {
  const files = readdirSync(examples, { encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const imported = files.flatMap((name) => [...readFileSync(at(name), 'utf8').matchAll(/ from '(\.[^']*)'/g)]);
  expect(imported.map(([, path]) => path).filter((path) => !path!.startsWith('./'))).toEqual([]);
});

test('the front desk books a table, looks up an order and fetches a person', async () => {
  const troupe = await createTroupe(frontDesk);
  const session = troupe.session('s1');
  const answers: (string | null)[] = [];
  for (const words of [
    'hi',
    'I want to book a table for 4 on 2026-06-01',
    'Roma',
    'Ana',
    'change the party size to 5',
    'yes',
    'where is my order?',
    '1234',
    'I want to talk to a person',
  ])
    answers.push((await session.send(words)).answer);
  expect(answers).toEqual([
    'I can book a table, tell you where your order is, or fetch a person. What may it be?',
    'Which restaurant would you like?',
    'Under which name?',
    'restaurant: Roma\ndate: 2026-06-01\nparty size: 4\nname: Ana\nIs that right?',
    'restaurant: Roma\ndate: 2026-06-01\nparty size: 5\nname: Ana\nIs that right?',
    'Done: a table for 5 at Roma on 2026-06-01, under the name Ana.',
    'What is the number of your order?',
    'Your order 1234 is with the courier. Anything else I can look up for you?',
    'I am fetching a colleague. They will read what we wrote and answer you here.',
  ]);
  expect(await session.isPaused()).toBe(true);
  await troupe.close();
});

test('a trip is put together by three agents at once, and booked when a person has said yes', async () => {
  const troupe = await createTroupe(trip);
  const session = troupe.session('s1');
  const { status, question } = await session.send('plan a trip to the lake');
  const found =
    'trains: by train at 9:12, 89 €\nhotels: two nights at the Pension am See, 140 €\nconcerts: nothing (timed_out)';
  expect({ status, question }).toMatchObject({ status: 'awaiting_approval', question: { summary: found } });
  await session.approve({ approval: askedIn({ question }), decision: 'approve', by: 'ann' });
  await expect.poll(async () => (await session.history()).at(-1)?.content).toBe(`Booked.\n${found}`);
  await troupe.close();
});

test('Troupe answers inside somebody else’s server', async () => {
  using server = await serving('embed.ts');
  const response = await fetch(`${server.url}/?say=where+is+my+order+1234`);
  expect(await response.text()).toBe('Your order 1234 is with the courier. Anything else I can look up for you?\n');
});

test('an agent outside takes part', async () => {
  using agent = await serving('agents/http-agent.ts');
  const troupe = await createTroupe({
    agents: [{ id: 'shouter', kind: 'http', triggers: ['shout'], endpoints: [{ id: 'one', url: agent.url }] }],
  });
  const pieces: string[] = [];
  for await (const event of troupe.session('s1').stream('shout it from the roof')) {
    if (event.type === 'message_chunk') pieces.push(event.text);
    if (event.type === 'outcome') expect(event).toMatchObject({ status: 'done', answer: 'SHOUT IT FROM THE ROOF' });
  }
  expect(pieces.join('')).toBe('SHOUT IT FROM THE ROOF');
  await troupe.close();
});

test('transitions are unit-tested with node:test', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [at('transitions.test.ts')]);
  expect(stdout).toMatch(/pass 2/);
});
