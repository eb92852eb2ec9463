/** A disk that is really full: a small filesystem that only the test's own mount namespace sees. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from './harness.ts';
import { childCommand, runtimeNames, type Runtime } from './runtimes.ts';

/** Runs `child.ts` by the words `child MODE FROM` of a script, on a filesystem of 24 MiB. */
async function onSmallDisk(runtime: Runtime, script: string): Promise<readonly string[]> {
  const command = childCommand(runtime).map((word) => `'${word}'`);
  const whole = `set -e
    mount -t tmpfs -o size=24m none "$DISK"
    child() { ${command.join(' ')} "$1" "$DISK/store" "$2"; }
    ${script}`;
  const disk = await temporaryFolder();
  const child = spawn('unshare', ['--map-root-user', '--mount', '--', 'sh', '-c', whole], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, DISK: disk, BALLAST: `${disk}/ballast` },
  });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return output.trim().split('\n');
}

const ballast = 'dd if=/dev/zero of="$BALLAST" bs=1M count=8 status=none';

function pairsOf(lines: readonly string[], word: string): readonly string[] {
  return lines
    .filter((line) => line.startsWith(`${word} `))
    .map((line) => line.slice(word.length + 1));
}

describe.each(runtimeNames)('a full disk on %s', (runtime) => {
  it('ends the store at the first failed write and loses nothing acknowledged', async () => {
    const lines = await onSmallDisk(runtime, `${ballast}; child fill 0; rm "$BALLAST"; child list`);
    const fatal = lines.indexOf('fatal STORE_FAILED');
    expect(fatal).toBeGreaterThan(20);
    // nothing was acknowledged on that handle afterwards
    expect(lines.slice(fatal, fatal + 3).map((line) => line.split(' ', 2).join(' '))).toEqual([
      'fatal STORE_FAILED',
      'refused STORE_FAILED',
      expect.stringMatching(/^open /),
    ]);
    const found = new Set(pairsOf(lines, 'found'));
    const lost = pairsOf(lines, 'acknowledged').filter((pair) => !found.has(pair));
    expect([found.size > 0, lost]).toEqual([true, []]);
  });

  it('is kept from getting full: puts refused, deletes taken, puts again when there is room', async () => {
    const lines = await onSmallDisk(runtime, `${ballast}; child guard 0; child list`);
    const refused = lines.indexOf('refused STORE_NO_SPACE');
    expect(refused).toBeGreaterThan(20);
    expect(lines[refused + 1]).toMatch(/^deleted /);
    expect(lines[refused + 2]).toMatch(/^acknowledged 999999999 /);
    const found = new Set(pairsOf(lines, 'found'));
    expect(pairsOf(lines, 'acknowledged').filter((pair) => !found.has(pair))).toEqual([]);
  });
});
