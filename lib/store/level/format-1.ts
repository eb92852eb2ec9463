/**
 * Reads the store of version 0.1.0 (one host, without a log) and believes as little of it as of ours:
 * checksums, one chain of change records up to the meta row, rows that add up.
 *
 *     M                          meta: format, store id, revision, compacted, rows, chain, digest
 *     R + revision, 14 hex       change record: chain before it, then the events
 *     S + key                    row: create revision, mod revision, version, value
 */
import type { KeyValue } from '../port.ts';
import type { Database } from './database.ts';
import { hashText, damaged, numberText, unseal } from './format.ts';

/** What it held, and where it stood as its `closed` mark has it. */
export interface FirstStore {
  readonly storeId: string;
  readonly revision: number;
  readonly rows: readonly KeyValue[];
  readonly description: string;
}

const metaPattern =
  /^1 ([0-9a-f]{32}) (\d{1,16}) (\d{1,16}) (\d{1,16}) ([0-9a-f]{32}) ([0-9a-f]{32})$/;

/**
 * Reads and checks all of it.
 * @throws STORE_DAMAGED
 */
export async function readFirstStore(database: Database): Promise<FirstStore> {
  const stored = await database.get('M');
  if (stored === undefined) throw damaged('it has no meta row');
  const description = unseal('M', stored);
  const match = metaPattern.exec(description);
  if (match === null) throw damaged('its meta row is unreadable');
  const [, storeId = '', revision, compacted, count, chain = '', digest = ''] = match;
  await checkHistory(database, Number(compacted), { revision: Number(revision), chain });
  const { rows, sum } = await readRows(database, Number(revision));
  if (rows.length !== Number(count)) throw damaged('rows are missing or came back');
  if (sum !== BigInt(`0x${digest}`)) throw damaged('its rows do not add up');
  return { storeId, revision: Number(revision), rows, description };
}

async function checkHistory(
  database: Database,
  compacted: number,
  end: { readonly revision: number; readonly chain: string },
): Promise<void> {
  let revision = compacted;
  // unknown before the first record that is kept
  let chain = compacted === 0 ? '0'.repeat(32) : undefined;
  for await (const page of database.pages(`R${numberText(compacted + 1)}`, 'S')) {
    for (const [key, stored] of page) {
      revision += 1;
      const body = unseal(key, stored);
      if (key !== `R${numberText(revision)}`) throw damaged('its history has a gap');
      if (chain !== undefined && body.slice(0, 32) !== chain) {
        throw damaged('its history is not one chain');
      }
      chain = hashText(`${key}\0${body}`);
    }
  }
  if (revision !== end.revision || (chain !== undefined && chain !== end.chain)) {
    throw damaged('its history does not lead to its state');
  }
}

const rowPattern = /^([1-9]\d{0,15}) ([1-9]\d{0,15}) ([1-9]\d{0,15}) /;

async function readRows(
  database: Database,
  revision: number,
): Promise<{ rows: KeyValue[]; sum: bigint }> {
  const rows: KeyValue[] = [];
  let sum = 0n;
  for await (const page of database.pages('S', '\u{10ffff}')) {
    for (const [storedKey, stored] of page) {
      const body = unseal(storedKey, stored);
      const match = rowPattern.exec(body);
      if (!storedKey.startsWith('S') || match === null) throw damaged('a row is unreadable');
      const [prefix, createRevision, modRevision, version] = match;
      rows.push({
        key: storedKey.slice(1),
        value: body.slice(prefix.length),
        createRevision: Number(createRevision),
        modRevision: Number(modRevision),
        version: Number(version),
      });
      if (Number(modRevision) > revision) throw damaged('a row has an impossible revision');
      sum = BigInt.asUintN(128, sum + BigInt(`0x${hashText(`${storedKey}\0${body}`)}`));
    }
  }
  return { rows, sum };
}
