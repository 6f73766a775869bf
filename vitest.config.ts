import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    setupFiles: ['test/seed.ts'],
    // Half of the tests wait for servers, browsers and timers: two files at once, also where there are only two cores.
    maxWorkers: 2,
    // What is polled for has happened or it will not; a busy machine is no reason to fail.
    expect: { poll: { timeout: 20_000 } },
  },
});
