/**
 * A process that uses an etcd a little, on any runtime, and says what it saw:
 *
 *     child.ts etcd://HOST:PORT/PREFIX
 */
import { systemClock } from '../../../lib/clock.ts';
import { asFairleadError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import { openEtcdUrl } from '../../../lib/store/etcd/open-url.ts';
import type { StateStore } from '../../../lib/store/port.ts';
import { parseStoreUrl } from '../../../lib/store/store-url.ts';

const everything = { start: '!', end: '~' } as const;

async function use(store: StateStore): Promise<object> {
  const { id } = await store.grantLease(2_000);
  await store.keepLease(id);
  const { revision } = await store.txn({
    compare: [{ key: 'a', target: 'version', operator: '=', value: 0 }],
    then: [
      { op: 'put', key: 'a', value: 'zwölf 😀' },
      { op: 'put', key: 'b', value: '', lease: id },
    ],
  });
  const seen: unknown[] = [];
  // the second change is the end of the lease
  for await (const { events } of store.watch({ ...everything, fromRevision: revision })) {
    seen.push(events.map((event) => event.type));
    if (seen.length === 2) break;
  }
  // a watch that is left while it waits must not keep the process
  const leave = new AbortController();
  const waiting = store.watch({ ...everything, fromRevision: revision + 9, signal: leave.signal });
  const never = waiting[Symbol.asyncIterator]().next();
  await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      store.txn({ compare: [], then: [{ op: 'delete', start: `${n}` }] }),
    ),
  );
  leave.abort();
  const { rows } = await store.range(everything);
  return {
    seen,
    left: (await never).done,
    rows: rows.map(({ key, value }) => [key, value]),
    unknown: await store.keepLease(id).catch((thrown: unknown) => asFairleadError(thrown).code),
  };
}

try {
  const store = await openEtcdUrl(parseStoreUrl(process.argv[2] ?? ''), {
    clock: systemClock,
    log: silentLogger(),
    onFatal: (error) => {
      throw error;
    },
  });
  const saw = await use(store);
  await store.close();
  process.stdout.write(`${JSON.stringify(saw)}\n`);
} catch (thrown) {
  process.stdout.write(`${JSON.stringify({ refused: asFairleadError(thrown).code })}\n`);
}
