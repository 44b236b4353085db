import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/oracle/**/*.test.ts'],
    testTimeout: 180_000,
    fileParallelism: false,
    maxConcurrency: 2,
  },
});
