import { defineConfig } from 'vitest/config';
import { slowness } from './test/support/slowness.ts';

/**
 * Projects: `unit` runs in parallel and touches nothing but temporary folders; `system` starts real daemons in
 * namespaces and therefore runs one file at a time; `datapath`, `idle`, `model`, `plugin` and `policy` are like it and
 * too long for the build server.
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
          // many of them wait for disks and timers: two cores have time for three at once
          maxWorkers: 3,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/{disk,e2e,lab,system}/**/*.test.ts'],
          exclude: ['test/e2e/{datapath,idle,model,plugin,policy}/**'],
          testTimeout: 180_000 * slowness,
          hookTimeout: 240_000 * slowness,
          pool: 'forks',
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'datapath',
          include: ['test/e2e/datapath/**/*.test.ts'],
          testTimeout: 600_000 * slowness,
          hookTimeout: 240_000 * slowness,
          pool: 'forks',
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'idle',
          include: ['test/e2e/idle/**/*.test.ts'],
          // it waits for half an hour by itself
          testTimeout: 3_600_000 * slowness,
          hookTimeout: 240_000 * slowness,
          pool: 'forks',
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'model',
          include: ['test/e2e/model/**/*.test.ts'],
          testTimeout: 600_000 * slowness,
          hookTimeout: 240_000 * slowness,
          pool: 'forks',
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'plugin',
          include: ['test/e2e/plugin/**/*.test.ts'],
          testTimeout: 600_000 * slowness,
          hookTimeout: 240_000 * slowness,
          pool: 'forks',
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'policy',
          include: ['test/e2e/policy/**/*.test.ts'],
          testTimeout: 600_000 * slowness,
          hookTimeout: 240_000 * slowness,
          pool: 'forks',
          fileParallelism: false,
        },
      },
    ],
  },
});
