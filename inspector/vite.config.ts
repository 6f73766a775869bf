// How the inspector's page is built and served while it is written.
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { layouts } from './layouts.ts';

const service = process.env.TROUPE_URL ?? 'http://127.0.0.1:8080';
const proxied = { target: service, changeOrigin: true, ws: true, configure: sameOrigin };

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [react(), layouts()],
  build: {
    outDir: fileURLToPath(new URL('../dist/inspector', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // A data URL would need an exception in the page's content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2_000,
    // Laying the charts out is what a build does.
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: { proxy: { '/v1': proxied, '/metrics': proxied, '/health': proxied, '/openapi.json': proxied } },
});

/** The service takes requests only from its own pages; in development this server is in between. */
function sameOrigin(proxy: {
  on(event: 'proxyReq', change: (request: { removeHeader(name: string): void }) => void): void;
}): void {
  proxy.on('proxyReq', (request) => request.removeHeader('origin'));
}
