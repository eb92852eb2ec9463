/**
 * A process that uses a store, for tests that kill it or compete with it. Runs on every runtime:
 *
 *     child.ts hold DIRECTORY           opens, says so, and keeps it until killed
 *     child.ts write DIRECTORY FROM     writes pairs of keys and reports every acknowledged one
 *     child.ts fill DIRECTORY FROM      writes until refused, and reports every acknowledged one
 *     child.ts guard DIRECTORY FROM     the same, then deletes, frees space and writes once more
 *     child.ts list DIRECTORY           reports what is there
 */
import { randomBytes } from 'node:crypto';
import { rmSync, writeSync } from 'node:fs';
import { systemClock } from '../../../lib/clock.ts';
import { asFairleadError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { openLevelStore, type LevelStore } from '../../../lib/store/level/store.ts';

const [mode = '', directory = '', from = '0'] = process.argv.slice(2);

/** One line, handed to the kernel before anything else happens. */
function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

async function writePair(store: LevelStore, n: number, text: string): Promise<void> {
  const value = `${n} ${text}`;
  const { revision } = await store.txn({
    compare: [],
    then: [
      { op: 'put', key: `left/${n}`, value },
      { op: 'put', key: `right/${n % 50}`, value },
    ],
  });
  say('acknowledged', n, revision);
}

/** Eight writers at once, so that batches hold several transactions; large enough to rotate logs. */
async function writeForever(store: LevelStore): Promise<void> {
  let n = Number(from);
  const writer = async (): Promise<void> => {
    for (;;) {
      n += 1;
      await writePair(store, n, 'x'.repeat((n % 4) * 1000));
    }
  };
  await Promise.all(Array.from({ length: 8 }, writer));
}

async function fill(store: LevelStore): Promise<void> {
  // random, because tables are compressed
  for (let n = Number(from) + 1; ; n += 1) {
    await writePair(store, n, randomBytes(10_000).toString('hex'));
  }
}

/** Fills until the guard of the disk refuses; then what the guard promises. */
async function fillAndFree(store: LevelStore): Promise<void> {
  const refusal: unknown = await fill(store).catch((thrown: unknown) => thrown);
  say('refused', asFairleadError(refusal).code);
  const deleted = await store.txn({ compare: [], then: [{ op: 'delete', start: 'right/1' }] });
  say('deleted', deleted.revision);
  rmSync(process.env['BALLAST'] ?? '');
  await writePair(store, 999_999_999, 'after');
}

async function list(store: LevelStore): Promise<void> {
  const { rows } = await store.range({ start: 'left/', end: 'left0' });
  for (const row of rows) say('found', row.key.slice(5), row.modRevision);
}

try {
  const store = await openLevelStore({
    directory,
    clock: systemClock,
    log: silentLogger(),
    onFatal: (error) => say('fatal', error.code),
    limits: {
      storeHistoryRevisionsMax: 100,
      storeFreeBytesMin: mode === 'guard' ? 8 * 1024 * 1024 : 0,
      storeSpaceCheckMs: 0,
    },
  });
  say('open', store.revision());
  if (mode === 'write') await writeForever(store);
  if (mode === 'fill') await fill(store);
  if (mode === 'guard') await fillAndFree(store);
  if (mode === 'list') await list(store);
  // held until killed, or until the parent lets go of our input
  if (mode === 'hold') process.stdin.resume();
  else await store.close();
} catch (thrown) {
  say('refused', asFairleadError(thrown).code, asFairleadError(thrown).message);
}
