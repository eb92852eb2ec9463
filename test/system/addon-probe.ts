/** A program that uses both native addons; `binary.test.ts` builds and runs it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { main, processTerminal } from '../../lib/cli/main.ts';

/** Arguments: `agent`, and the variable PROBE_DIR names a folder to work in. */
async function probe(): Promise<void> {
  const { Level } = await import('level');
  const { koffi } = await import('../../lib/runtime/native.ts');
  const folder = mkdtempSync(`${process.env['PROBE_DIR'] ?? ''}/level-`);
  const database = new Level(folder);
  await database.open();
  await database.batch([{ type: 'put', key: 'a', value: 'b' }], { sync: true });
  const value = await database.get('a');
  await database.close();
  rmSync(folder, { recursive: true });
  const getpid = koffi.load('libc.so.6').func('int getpid()') as () => number;
  process.stdout.write(`level ${value}, koffi ${getpid() === process.pid ? 'works' : 'fails'}\n`);
}

process.exitCode = await main(process.argv.slice(2), processTerminal(), {
  agent: probe,
  plugin: probe,
});
