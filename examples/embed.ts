// Troupe inside somebody's own web server: no framework, and no port but theirs.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTroupe } from 'troupe';
import frontDesk from './front-desk.ts';

const troupe = await createTroupe(frontDesk);

const server = createServer(async (request, response) => {
  const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const session = troupe.session(searchParams.get('session') ?? 'guest');
  const { answer } = await session.send(searchParams.get('say') ?? 'hello');
  response.end(`${answer}\n`);
});

server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(`Try: curl 'http://127.0.0.1:${port}/?say=where+is+my+order+1234'`);
});
