/**
 * A process that writes to a storage until it is killed or the disk fails, and says what it was told to
 * be durable. Runs on every runtime:
 *
 *     child.ts DIRECTORY SEED [WRITES]
 *
 *     open FINGERPRINT            what the storage held
 *     done N                      the first N writes of this process are durable
 *     fatal CODE                  the storage is dead; the process ends
 *     refused CODE MESSAGE        it could not be opened
 *     closed                      the writes asked for are done, and the storage is closed in order
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../lib/clock.ts';
import { asFairleadError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { openLevelStorage, type LevelStorage } from '../../lib/store/level/open.ts';
import { creationOf, fingerprintOf, prove, twinFrom, twinStart } from './twin.ts';
import { Workload } from './workload.ts';

const [directory = '', seed = '0', writes = 'Infinity'] = process.argv.slice(2);

/** One line, handed to the kernel before anything else happens. */
function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

function open(): Promise<LevelStorage> {
  return openLevelStorage({
    directory,
    clock: systemClock,
    log: silentLogger(),
    create: creationOf(twinStart),
    prove,
    onFatal(error) {
      say('fatal', error.code);
      process.exit(1);
    },
    limits: {
      storeSpaceCheckMs: 20,
      storeClearStep: 40,
      storeSweepStep: 20,
      storeReserveBytes: Number(process.env['DISK_RESERVE'] ?? 65_536),
    },
  });
}

async function run(): Promise<void> {
  const opened = await open();
  const { storage, stored } = opened;
  const twin = await twinFrom(storage, stored);
  say('open', fingerprintOf(twin));
  const workload = new Workload(twin, Number(seed));
  for (let n = 1; n <= Number(writes); n += 1) {
    const write = workload.next();
    await new Promise<void>((resolve) => {
      storage.write(write, resolve);
    });
    say('done', n);
  }
  // held open until killed, when asked to
  if (process.env['DISK_HOLD'] !== undefined) return void process.stdin.resume();
  await opened.close();
  say('closed');
}

await run().catch((thrown: unknown) => {
  const error = asFairleadError(thrown);
  say('refused', error.code, error.message);
  process.exit(1);
});
