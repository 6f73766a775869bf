// What a program loads with the library: nothing of a server, a model, an MCP server or NATS before it uses one.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The packages that a program has loaded by its end. */
async function packagesOf(program: string): Promise<string[]> {
  const watched = `
    import { registerHooks } from 'node:module';
    const loaded = new Set();
    registerHooks({
      load(url, context, next) {
        const name = /\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1];
        if (name) loaded.add(name);
        return next(url, context);
      },
    });
    await (async () => { ${program} })();
    console.log(JSON.stringify([...loaded].sort()));`;
  const args = ['--input-type=module', '--eval', watched];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  return JSON.parse(stdout);
}

const echo = `
  const { createTroupe } = await import('troupe');
  const troupe = await createTroupe({ agents: [{ id: 'echo', triggers: ['hello'], run: (text) => text }] });
  await troupe.session('s1').send('hello');
  await troupe.close();`;

test('a program with an agent that is a function loads XState, zod and a parser of event streams', async () => {
  expect(await packagesOf(echo)).toEqual(['eventsource-parser', 'xstate', 'zod']);
});

test('the entry points of the server and of NATS load what they are for', async () => {
  expect(await packagesOf(`await import('troupe/http');`)).toEqual(expect.arrayContaining(['fastify']));
  expect(await packagesOf(`await import('troupe/nats');`)).toEqual(expect.arrayContaining(['@nats-io/jetstream']));
});
