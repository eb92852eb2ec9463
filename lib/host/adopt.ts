/**
 * Rows of version 0.1.0 lie in the store without the name of their host, since there was only one. They are
 * moved below it, some at a time, each time all or nothing; a start that was interrupted goes on.
 */
import { adoptRowsStep } from '../limits.ts';
import { hostPrefix, isOfSite, isOfSomeHost } from '../model/keys.ts';
import { asRead } from '../store/plan.ts';
import type { KeyValue, Operation, StateStore } from '../store/port.ts';
import { readRows } from './records.ts';

/** Gives rows without a host to this one. Answers how many there were. */
export async function adoptRows(store: StateStore, hostName: string): Promise<number> {
  const prefix = hostPrefix(hostName);
  const rows = await readRows(store, { start: '!', end: '\x7f' });
  const homeless = rows.filter(({ key }) => !isOfSomeHost(key) && !isOfSite(key));
  for (let at = 0; at < homeless.length; at += adoptRowsStep) {
    const part = homeless.slice(at, at + adoptRowsStep);
    await store.txn({
      compare: part.map((row) => asRead(row.key, row)),
      // oxlint-disable-next-line unicorn/no-thenable -- the port's word, as in etcd
      then: part.flatMap((row) => move(row, prefix)),
    });
  }
  return homeless.length;
}

const move = ({ key, value }: KeyValue, prefix: string): readonly Operation[] => [
  { op: 'put', key: prefix + key, value },
  { op: 'delete', start: key },
];
