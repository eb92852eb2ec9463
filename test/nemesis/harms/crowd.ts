/** 300 observers that join at once, are fed for a while, and are gone without a word. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { namespacePath } from '../../lab/namespaces.ts';
import { until } from '../../support/until.ts';
import type { Harm } from './harm.ts';

const observers = 300;
const joinMs = 240_000;
const tokenMs = 600_000;

/** They come from the spare site. Later crowds are smaller: a cluster has so many members at most. */
export const crowd: Harm = {
  name: 'crowd',
  async run(stage) {
    const { voters, spare } = stage.arena;
    const wish = { role: 'observer', ttlMs: tokenMs, uses: observers };
    const { token } = await voters.ask<{ readonly token: string }>('token', wish);
    const bun = join(import.meta.dirname, '../../../node_modules/.bin/bun');
    const script = join(import.meta.dirname, '../crowd.ts');
    const count = stage.arena.crowds === 0 ? observers : observers / 10;
    stage.arena.crowds += 1;
    const words = [bun, script, token, String(count), `crowd${stage.arena.crowds}`];
    const child = spawn('nsenter', [`--net=${namespacePath(spare.namespace)}`, ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const tally = new Map<string, number>();
    child.stdout.on('data', (chunk: Buffer) => {
      for (const [, what = '', n] of chunk
        .toString('utf8')
        .matchAll(/(joined|fed|conflict) (\d+)/g)) {
        tally.set(what, Number(n));
      }
    });
    const begunMs = performance.now();
    try {
      await until('all are fed', () => tally.get('fed') === count, { timeoutMs: joinMs }).catch(
        (thrown: unknown) => {
          throw new Error(`crowd: ${JSON.stringify([...tally])}`, { cause: thrown });
        },
      );
      const tookMs = Math.round(performance.now() - begunMs);
      await stage.sleep(1_000, 3_000);
      const conflicts = tally.get('conflict') ?? 0;
      return `${count} joined and fed within ${tookMs} ms, ${conflicts} had to try again`;
    } finally {
      child.kill('SIGKILL');
    }
  },
};
