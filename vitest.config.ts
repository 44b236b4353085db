import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/vscode/**', 'test/oracle/**', 'node_modules/**', '.cache/**', 'dist/**'],
    testTimeout: 30_000,
  },
});
