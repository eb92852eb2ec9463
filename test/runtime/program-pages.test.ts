import { readFileSync, readlinkSync } from 'node:fs';
import { expect, it } from 'vitest';
import { codeMappings, forgetProgramPages } from '../../lib/runtime/program-pages.ts';

const program = readlinkSync('/proc/self/exe');

/** Memory that the program's code takes, kB. */
function residentKb(): number {
  const smaps = readFileSync('/proc/self/smaps', 'utf8');
  const starts = new Set(codeMappings(smaps, program).map(({ start }) => start.toString(16)));
  return smaps
    .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
    .filter((part) => starts.has(part.slice(0, part.indexOf('-')).replace(/^0+/, '')))
    .reduce((sum, part) => sum + Number(/^Rss: +(\d+) kB$/m.exec(part)?.[1]), 0);
}

it('lets go of most of the code of the program, which runs on', async () => {
  const beforeKb = residentKb();
  expect(beforeKb).toBeGreaterThan(4_096);
  await forgetProgramPages();
  expect(residentKb()).toBeLessThan(beforeKb / 2);
  expect(JSON.parse('[1]')).toEqual([1]);
});

it('touches nothing but code of the program that was never written to', () => {
  const mapping = (head: string, anonymous: number): string =>
    `${head}\nSize: 8 kB\nRss: 8 kB\nAnonymous: ${anonymous} kB\nVmFlags: rd ex\n`;
  const smaps = [
    mapping('00200000-00201000 r--p 00000000 fe:00 12                 /bin/fairlead', 0),
    mapping('00201000-00203000 r-xp 00001000 fe:00 12                 /bin/fairlead', 0),
    mapping('00203000-00205000 r-xp 00003000 fe:00 12                 /bin/fairlead', 4),
    mapping('00205000-00207000 rw-p 00005000 fe:00 12                 /bin/fairlead', 0),
    mapping('7f0000000000-7f0000001000 r-xp 00000000 fe:00 13         /lib/libc.so.6', 0),
    mapping('7f0000001000-7f0000002000 r-xp 00000000 00:00 0 ', 0),
  ].join('');
  expect(codeMappings(smaps, '/bin/fairlead')).toEqual([{ start: 0x201000n, end: 0x203000n }]);
});
