/**
 * One text for what means the same, so that what we want and what a switch answers can be compared: a key
 * that names a flow, and a body that says what it does. Open vSwitch answers some things in another form
 * than it was told (a masked set_field as several loads, a 64-bit register as two of 32 bits, the burst of
 * a meter that has none); both forms end in the same text here. Cookies and counters are in neither.
 */
import {
  reservedPort,
  type Action,
  type Bucket,
  type Flow,
  type Group,
  type Match,
  type Meter,
} from './flow.ts';
import { allBits, maskedOf } from './bits.ts';
import { actionsText, hexOf } from './canonical-actions.ts';
import { fields, type FieldName } from './fields.ts';
import { fieldNames } from './match.ts';

/** Names a flow in a switch: two flows with one key cannot both exist. */
export function flowKey(flow: Pick<Flow, 'table' | 'priority' | 'match'>): string {
  return `${flow.table},${flow.priority},${matchText(flow.match)}`;
}

/** What a flow does, with its timeouts and flags: equal text, equal flow, but for the cookie. */
export function flowBody(flow: Flow): string {
  const { meter, apply, clear, write, writeMetadata, goto, opaque } = flow;
  let text = '';
  if (meter !== undefined) text += ` meter:${meter}`;
  text += listText('apply', apply);
  if (clear === true) text += ' clear';
  text += listText('write', write);
  if (writeMetadata !== undefined && writeMetadata.mask !== 0n) {
    const { value, mask } = writeMetadata;
    text += ` metadata:${(value & mask).toString(16)}/${mask.toString(16)}`;
  }
  if (goto !== undefined) text += ` goto:${goto}`;
  for (const bytes of opaque ?? []) text += ` ${hexOf(bytes)}`;
  if ((flow.idleTimeoutS ?? 0) !== 0) text += ` idle:${flow.idleTimeoutS}`;
  if ((flow.hardTimeoutS ?? 0) !== 0) text += ` hard:${flow.hardTimeoutS}`;
  if (flow.sendRemoved === true) text += ' removed';
  if ((flow.otherFlags ?? 0) !== 0) text += ` flags:${flow.otherFlags}`;
  return text.slice(1);
}

function listText(name: string, actions: readonly Action[] | undefined): string {
  const text = actions === undefined ? '' : actionsText(actions);
  return text === '' ? '' : ` ${name}(${text})`;
}

/** What a group does; its id is not in it. The order of buckets counts. */
export function groupBody(group: Group): string {
  return `${group.type} ${group.buckets.map((bucket) => bucketText(bucket, group.type)).join(' ')}`;
}

/** What a meter does; its id is not in it. */
export function meterBody(meter: Meter): string {
  const bands = meter.bands.map((band) => {
    if (band.kind === 'opaque') return hexOf(band.bytes);
    const burst = meter.burst ? `/${band.burst}` : '';
    const level = band.kind === 'dscpRemark' ? `/${band.precedenceLevel}` : '';
    return `${band.kind}:${band.rate}${burst}${level}`;
  });
  return `${meter.unit}${meter.burst ? ' burst' : ''}${meter.statistics ? ' stats' : ''} ${bands.join(' ')}`;
}

function bucketText(bucket: Bucket, type: Group['type']): string {
  const weight = bucket.weight ?? (type === 'select' ? 1 : 0);
  const port = bucket.watchPort ?? reservedPort.any;
  const group = bucket.watchGroup ?? reservedPort.any;
  return `[${weight}/${port}/${group} ${actionsText(bucket.actions)}]`;
}

/** Fields in the table's order, as value or value and mask, in hexadecimal. */
function matchText(given: Match): string {
  const match = hasLongRegister(given) ? withPlainRegisters(given) : given;
  const parts: string[] = [];
  for (const name in match) {
    if (name === 'opaque') continue;
    const part = entryText(name as FieldName, match[name as FieldName]);
    if (part !== undefined) parts.push(part);
  }
  parts.sort();
  for (const { bytes } of match.opaque ?? []) parts.push(hexOf(bytes));
  return parts.join(',');
}

function entryText(name: FieldName, entry: Match[FieldName]): string | undefined {
  if (entry === undefined) return undefined;
  if (typeof entry !== 'object') return `${name}=${entry.toString(16)}`;
  const masked = maskedOf(name, entry);
  if (masked === undefined) return undefined;
  const { value, mask } = masked;
  return mask === allBits(fields[name].bits)
    ? `${name}=${value.toString(16)}`
    : `${name}=${value.toString(16)}/${mask.toString(16)}`;
}

/** Longer registers are made of the plain ones, highest bits first: how many, and which is the first. */
const longRegisters: ReadonlyMap<string, { readonly first: number; readonly count: number }> =
  new Map(
    fieldNames.flatMap((name) => {
      const [, kind, index] = /^(xreg|xxreg)(\d+)$/.exec(name) ?? [];
      const count = kind === 'xreg' ? 2 : 4;
      return kind === undefined ? [] : [[name, { first: Number(index) * count, count }] as const];
    }),
  );

function hasLongRegister(match: Match): boolean {
  for (const name in match) if (longRegisters.has(name)) return true;
  return false;
}

const registerBits = 32n;

/** The same match on plain registers, as a switch answers it. */
function withPlainRegisters(match: Match): Match {
  const plain: Record<string, unknown> = {};
  for (const name in match) {
    const long = longRegisters.get(name);
    const entry = match[name as FieldName];
    if (long === undefined || entry === undefined) {
      plain[name] ??= entry;
      continue;
    }
    const masked = maskedOf(name as FieldName, entry);
    if (masked === undefined) continue;
    for (let index = 0; index < long.count; index += 1) {
      const shift = registerBits * BigInt(long.count - 1 - index);
      const value = Number((masked.value >> shift) & allBits(32));
      const mask = Number((masked.mask >> shift) & allBits(32));
      if (mask !== 0) plain[`reg${long.first + index}`] = { value, mask };
    }
  }
  return plain;
}
