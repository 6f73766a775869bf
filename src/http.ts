// What `import … from 'troupe/http'` gives: the HTTP, WebSocket and inspector server of a runtime, for the program that embeds it.
export { createServer, type ServerOptions } from './interfaces/http/server.ts';
