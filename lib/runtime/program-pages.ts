/**
 * Gives back the pages of the program's own code that lie in memory. A single-file binary brings a whole
 * runtime, most of which runs once, at start. What is needed again is mapped from the page cache again, 64
 * KiB at a time. Only pages that are as they are in the file are let go of, so nothing is lost.
 */
import { readFileSync, readlinkSync } from 'node:fs';

/** MADV_DONTNEED: the same number on every Linux architecture but alpha. */
const doNotNeed = 4;

/** Addresses of a mapping. */
interface Mapping {
  readonly start: bigint;
  readonly end: bigint;
}

type Advise = (start: bigint, length: bigint, advice: number) => number;

let advise: Advise | undefined;

/**
 * Lets go of the program's code in memory. That it could not is no error: it only takes room. Native code is
 * loaded for it and not before, since most commands need none.
 */
export async function forgetProgramPages(): Promise<void> {
  try {
    advise ??= await loadAdvise();
    const text = readFileSync('/proc/self/smaps', 'utf8');
    for (const { start, end } of codeMappings(text, readlinkSync('/proc/self/exe'))) {
      advise(start, end - start, doNotNeed);
    }
  } catch {
    // no /proc, or another system
  }
}

async function loadAdvise(): Promise<Advise> {
  const { koffi } = await import('./native.ts');
  return koffi.load(null).func('int madvise(uintptr_t start, size_t length, int advice)') as Advise;
}

const headPattern = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ \S+ \d+ +(.*)$/;

/** The mappings of a program's code in the text of an `smaps`: read-only, executable, and with no page that
 *  was ever written to, which would be lost. */
export function codeMappings(smaps: string, program: string): readonly Mapping[] {
  const found: Mapping[] = [];
  let candidate: Mapping | undefined;
  for (const line of smaps.split('\n')) {
    const [, start, end, rights, path] = headPattern.exec(line) ?? [];
    if (start !== undefined) {
      const isCode = rights === 'r-xp' && path === program;
      candidate = isCode ? { start: BigInt(`0x${start}`), end: BigInt(`0x${end}`) } : undefined;
    } else if (candidate !== undefined && /^Anonymous: +0 kB$/.test(line)) {
      found.push(candidate);
    }
  }
  return found;
}
