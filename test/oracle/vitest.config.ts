import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/oracle/**/*.test.ts'], testTimeout: 60_000, fileParallelism: false },
});
