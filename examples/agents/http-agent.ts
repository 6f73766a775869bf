// An agent outside: plain Node that takes `POST /invoke` and streams its answer as server-sent events. Register it with
// curl -X POST http://127.0.0.1:8080/v1/agents/register -H 'content-type: application/json' -d '{"agent_id":"shouter", …}'
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

const server = createServer(async (request, response) => {
  if (request.url === '/health') return response.end('ok');
  if (request.method !== 'POST' || request.url !== '/invoke') return response.writeHead(404).end();

  const { run_id, input_message } = (await json(request)) as { run_id: string; input_message: { content: string } };
  const answer = input_message.content.toUpperCase();

  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (event: string, data: object) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  for (const text of answer.split(/(?<= )/)) send('delta', { run_id, text });
  send('done', { final_message: answer, usage: { output_tokens: answer.length } });
  return response.end();
});

server.listen(Number(process.env.PORT ?? 3001), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(`The shouter listens at http://127.0.0.1:${port}`);
});
