/** Real processes on every runtime: one owner at a time, and kill -9 loses nothing acknowledged. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import type { KeyValue } from '../../../lib/store/port.ts';
import { put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import { openStore, temporaryFolder } from './harness.ts';
import { childCommand, runtimeNames, type Runtime } from './runtimes.ts';

/** Cycles of the kill test; raise it for a long run. */
const killCycles = Number(process.env['FAIRLEAD_STORE_KILL_CYCLES'] ?? 6);

interface Child {
  readonly pid: number;
  /** Lines so far. The set of acknowledged writes lives here, outside the process. */
  readonly lines: string[];
  kill(): Promise<void>;
}

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

function start(runtime: Runtime, args: readonly string[], prefix: readonly string[] = []): Child {
  const [command = '', ...rest] = [...prefix, ...childCommand(runtime), ...args];
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
  running.add(child);
  const ended = once(child, 'close').then(() => running.delete(child));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    pid: child.pid ?? 0,
    lines,
    async kill() {
      child.kill('SIGKILL');
      // after this every line that it wrote has been read
      await ended;
    },
  };
}

const firstLine = (child: Child): Promise<string> => until('a line', () => child.lines[0]);

describe.each(runtimeNames)('a process on %s', (runtime) => {
  it('is refused while another process has the store, and told which', async () => {
    const directory = await temporaryFolder();
    await openStore(directory);
    const child = start(runtime, ['hold', directory]);
    expect(await firstLine(child)).toContain(`refused STORE_LOCKED process ${process.pid} `);
    await child.kill();
  });

  it('keeps others out, also in another network namespace, and lets go when killed', async () => {
    const directory = await temporaryFolder();
    const child = start(runtime, ['hold', directory]);
    expect(await firstLine(child)).toBe('open 0');
    await expect(openStore(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    const isolated = ['unshare', '--map-root-user', '--net', '--'];
    const elsewhere = start(runtime, ['hold', directory], isolated);
    expect(await firstLine(elsewhere)).toContain('refused STORE_LOCKED');
    await elsewhere.kill();
    await child.kill();
    expect((await openStore(directory)).revision()).toBe(0);
  });
});

it('lets exactly one of several racing processes have a store that none has made yet', async () => {
  const directory = join(await temporaryFolder(), 'x'.repeat(100), 'deep'.repeat(30));
  const children = [...runtimeNames, ...runtimeNames].map((runtime) =>
    start(runtime, ['hold', directory]),
  );
  const answers = await Promise.all(children.map(firstLine));
  const winners = answers.filter((answer) => answer === 'open 0');
  const losers = answers.filter((answer) => answer.startsWith('refused STORE_LOCKED'));
  expect([winners.length, losers.length]).toEqual([1, children.length - 1]);
  await Promise.all(children.map((child) => child.kill()));
});

it('stays locked when the holder tries to open its own store once more', async () => {
  const directory = await temporaryFolder();
  const store = await openStore(directory);
  await expect(openStore(directory)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  const child = start('node', ['hold', directory]);
  expect(await firstLine(child)).toContain('refused STORE_LOCKED');
  await child.kill();
  expect((await write(store, put('a'))).revision).toBe(1);
});

/** Kills a writer after `lines` acknowledgements; gives what it had acknowledged. */
async function writeAndKill(
  runtime: Runtime,
  directory: string,
  from: number,
  lines: number,
): Promise<ReadonlyMap<number, number>> {
  const child = start(runtime, ['write', directory, String(from)]);
  await until('acknowledgements', () => child.lines.length > lines, { everyMs: 1 });
  await child.kill();
  const acknowledged = new Map<number, number>();
  for (const line of child.lines) {
    const match = /^acknowledged (\d+) (\d+)$/.exec(line);
    if (match !== null) acknowledged.set(Number(match[1]), Number(match[2]));
  }
  return acknowledged;
}

it(
  'loses nothing acknowledged and tears nothing apart when killed in the middle of writes',
  async () => {
    const directory = join(await temporaryFolder(), 'store');
    const all = new Map<number, number>();
    for (let cycle = 0; cycle < killCycles; cycle += 1) {
      const runtime = runtimeNames[cycle % runtimeNames.length] ?? 'node';
      const before = all.size;
      const acknowledged = await writeAndKill(
        runtime,
        directory,
        cycle * 1_000_000,
        20 + ((cycle * 137) % 400),
      );
      for (const [n, revision] of acknowledged) all.set(n, revision);
      expect(all.size - before, runtime).toBeGreaterThan(20);
      const store = await openStore(directory);
      const left = new Map<number, KeyValue>();
      let next = 'left/';
      for (;;) {
        const page = await store.range({ start: next, end: 'left0' });
        for (const row of page.rows) left.set(Number(row.key.slice(5)), row);
        if (!page.more) break;
        next = `${page.rows.at(-1)?.key ?? ''}!`;
      }
      const lost = [...all].filter(([n, revision]) => left.get(n)?.modRevision !== revision);
      expect(lost).toEqual([]);
      // one transaction wrote both, so the newest of either side is of the same revision
      for (const row of (await store.range({ start: 'right/', end: 'right0' })).rows) {
        const twin = left.get(Number.parseInt(row.value, 10));
        expect([twin?.modRevision, twin?.value]).toEqual([row.modRevision, row.value]);
      }
      expect(Math.max(...[...left.values()].map((row) => row.modRevision))).toBe(store.revision());
      await store.close();
    }
  },
  30_000 + killCycles * 10_000,
);
