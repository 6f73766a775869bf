// The load of the HTTP bench, in a process of its own: so many connections that each post and wait for the answer.
import autocannon from 'autocannon';

const [url, path, connections, seconds] = process.argv.slice(2) as [string, string, string, string];

let client = 0;
const result = await autocannon({
  url,
  connections: Number(connections),
  duration: Number(seconds),
  // One session per connection, so that no message waits for another.
  setupClient(connection) {
    client += 1;
    // Not `setRequest`, which changes the first request only.
    connection.setRequests([
      {
        method: 'POST',
        path: path.replace('{n}', `load-${client}`),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ content: 'hello there, where is my order 4711?' }),
      },
    ]);
  },
});
if (result.non2xx > 0 || result.errors > 0) throw new Error(`${result.non2xx} bad answers, ${result.errors} errors`);
console.log(JSON.stringify({ perSecond: result.requests.total / result.duration, p50: result.latency.p50 }));
