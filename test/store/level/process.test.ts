/** Real processes on every runtime: one owner at a time. (What kill -9 leaves is in `test/disk`.) */
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startChild, type Child } from '../../disk/process.ts';
import { runtimeNames, type Runtime } from '../../disk/runtimes.ts';
import { openStorage, temporaryFolder, written } from './harness.ts';

const running: Child[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) await child.kill();
});

/** A process that opens the storage and holds it until it is killed. */
function hold(runtime: Runtime, directory: string, prefix: readonly string[] = []): Child {
  const environment = { DISK_HOLD: '1' };
  const child = startChild({ runtime, args: [directory, 0, 0], environment, prefix });
  running.push(child);
  return child;
}

async function firstLine(child: Child): Promise<string> {
  await child.said(1);
  return child.lines[0] ?? 'nothing';
}

describe.each(runtimeNames)('a process on %s', (runtime) => {
  it('is refused while another process has the store, and told which', async () => {
    const directory = await temporaryFolder();
    await openStorage(directory);
    const child = hold(runtime, directory);
    expect(await firstLine(child)).toContain(`refused STORE_LOCKED process ${process.pid} `);
  });

  it('keeps others out, also in another network namespace, and lets go when killed', async () => {
    const directory = await temporaryFolder();
    const child = hold(runtime, directory);
    expect(await firstLine(child)).toMatch(/^open /);
    await expect(openStorage(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    const elsewhere = hold(runtime, directory, ['unshare', '--map-root-user', '--net', '--']);
    expect(await firstLine(elsewhere)).toContain('refused STORE_LOCKED');
    await child.kill();
    expect((await openStorage(directory)).stored.hard.term).toBe(0);
  });
});

it('lets exactly one of several racing processes have a store that none has made yet', async () => {
  const directory = join(await temporaryFolder(), 'x'.repeat(100), 'deep'.repeat(30));
  const children = [...runtimeNames, ...runtimeNames].map((runtime) => hold(runtime, directory));
  const answers = await Promise.all(children.map(firstLine));
  const winners = answers.filter((answer) => answer.startsWith('open '));
  const losers = answers.filter((answer) => answer.startsWith('refused STORE_LOCKED'));
  expect([winners.length, losers.length]).toEqual([1, children.length - 1]);
});

it('stays locked when the holder tries to open its own store once more', async () => {
  const directory = await temporaryFolder();
  const opened = await openStorage(directory);
  await expect(openStorage(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  const child = hold('node', directory);
  expect(await firstLine(child)).toContain('refused STORE_LOCKED');
  await written(opened, { hard: { term: 1, vote: undefined, commit: 0 } });
});
