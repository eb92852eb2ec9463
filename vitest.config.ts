import { defineConfig } from 'vitest/config';

/**
 * Two projects: `unit` runs in parallel and touches nothing but temporary folders; `system` starts
 * real daemons in namespaces and therefore runs one file at a time.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{disk,e2e,lab,system}/**'],
          testTimeout: 30_000,
          pool: 'forks',
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/{disk,e2e,lab,system}/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 240_000,
          pool: 'forks',
          fileParallelism: false,
        },
      },
    ],
  },
});
