import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Whole clusters live by their clocks and need the machine to themselves: beside the other files they have been seen to fail.
    // `npm run test:cluster` runs them, one after the other.
    exclude: process.env.CLUSTER ? [] : ['test/cluster*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // What is polled for has happened or it will not; a busy machine is no reason to fail.
    expect: { poll: { timeout: 20_000 } },
  },
});
