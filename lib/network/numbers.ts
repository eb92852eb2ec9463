/**
 * Numbers of the site: each has one owner, and is given to nobody else while that owner is there. Numbers
 * are chosen behind the one given last, so that what was just removed and what is new never look alike.
 */
import { FairleadError } from '../errors.ts';
import { numberPageRows } from '../limits.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { numberCursorKey, numberKey, numberSpan, type NumberKind } from '../model/site-keys.ts';
import { numberCursorSchema, numberOwnerSchema } from '../model/site.ts';
import { asRead, type Step, type TxnDraft } from '../store/plan.ts';
import { hash } from './ipam/spread.ts';

const kindNames: Readonly<Record<NumberKind, string>> = {
  tenant: 'tenants',
  network: 'shared networks',
  group: 'endpoint groups',
  node: 'hosts',
  vni: 'VXLAN networks',
  vlan: 'VLAN networks',
};

/** Numbers from a first to a last. */
export interface NumberSpan {
  readonly first: number;
  readonly last: number;
}

/** How a number is looked for. */
export interface NumberSearch {
  /** Those that may be given; all of the kind when it is left out. */
  readonly span?: NumberSpan;
  /** How many times others came first: who met them looks elsewhere next. */
  readonly attempt?: number;
}

/**
 * Gives an owner the next free number, of those that may be given. Refuses with SITE_LIMIT when all are taken.
 * Those who take numbers at the same time have only a number in common, not where to look next.
 */
export function* takeNumber(
  draft: TxnDraft,
  kind: NumberKind,
  owner: string,
  { span = numberSpan[kind], attempt = 0 }: NumberSearch = {},
): Step<number> {
  const { first, last } = span;
  const cursorKey = numberCursorKey(kind);
  const [row] = (yield { start: cursorKey }).rows;
  const cursor = row && decodeRecord(numberCursorSchema, row);
  const next = (cursor?.value.number ?? 0) + 1 + distanceFor(owner, attempt);
  const from = Math.max(first, next);
  const number =
    (yield* nextFree(kind, from, last)) ?? (yield* nextFree(kind, first, Math.min(from - 1, last)));
  if (number === undefined) {
    const count = last - first + 1;
    throw new FairleadError(
      'SITE_LIMIT',
      `there are ${count} ${kindNames[kind]}, more have no number`,
      { detail: { kind } },
    );
  }
  const key = numberKey(kind, number);
  draft.compare.push(asRead(key, undefined));
  draft.then.push(
    { op: 'put', key, value: encodeRecord({ owner }) },
    { op: 'put', key: cursorKey, value: encodeRecord({ number }) },
  );
  return number;
}

/**
 * How far from the next number to look: the farther, the more often others came first. Once may have been
 * anything else that the change depends on, and says nothing of the number.
 */
function distanceFor(owner: string, attempt: number): number {
  return attempt <= 1 ? 0 : hash(`${owner} ${attempt}`) % 2 ** Math.min(attempt - 1, farthestBits);
}

/** 256 numbers: more that take one at the same time never meet. */
const farthestBits = 8;

/** Gives an owner the tag or VNI that was asked for. Refuses with TAG_IN_USE. */
export function* claimNumber(
  draft: TxnDraft,
  kind: 'vni' | 'vlan',
  number: number | 'native',
  owner: string,
): Step<void> {
  const key = numberKey(kind, number);
  const [row] = (yield { start: key }).rows;
  if (row !== undefined) {
    const { value } = decodeRecord(numberOwnerSchema, row);
    const what =
      kind === 'vni' ? `VNI ${number}` : number === 'native' ? 'the native VLAN' : `VLAN ${number}`;
    throw new FairleadError('TAG_IN_USE', `${what} belongs to network ${value.owner}`);
  }
  draft.compare.push(asRead(key, undefined));
  draft.then.push({ op: 'put', key, value: encodeRecord({ owner }) });
}

/** The first number from `from` to `last` that nobody has. */
function* nextFree(kind: NumberKind, from: number, last: number): Step<number | undefined> {
  for (let next = from; next <= last;) {
    const start = numberKey(kind, next);
    // behind the last number of the kind, before its 'native' and other kinds
    const end = `${numberKey(kind, last)}!`;
    const { rows, more } = yield { start, end, limit: numberPageRows };
    for (const { key } of rows) {
      if (key !== numberKey(kind, next)) return next;
      next += 1;
    }
    if (!more) return next <= last ? next : undefined;
  }
  return undefined;
}
