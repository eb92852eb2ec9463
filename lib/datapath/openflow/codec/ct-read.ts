/**
 * The action of connection tracking and the translation inside it, read (ovs-actions(7), ct and nat).
 * Undefined means that our types cannot hold it, and the action stays opaque.
 */
import {
  actionType,
  ctFlag,
  natFlag,
  natRange,
  nicira,
  niciraAction,
  noTable,
} from './action-codes.ts';
import { fields } from './fields.ts';
import type { Action, Ct, NatRange, Slice } from './flow.ts';
import { readFieldHeader } from './match.ts';
import type { WireReader } from './wire.ts';

/** Reads a ct action after its subtype; `readNested` reads those that it executes. */
export function readCt(
  body: WireReader,
  readNested: (reader: WireReader) => readonly Action[],
): Ct | undefined {
  if (body.left < 14) return undefined;
  const flags = body.u16();
  const zone = readZone(body);
  const table = body.u8();
  if (!body.zeros(3) || zone === undefined || (flags & ~(ctFlag.commit | ctFlag.force)) !== 0) {
    return undefined;
  }
  const helperPort = body.u16();
  const nat = isNat(body) ? readNat(body.window(body.peek16(2))) : 'none';
  if (nat === undefined) return undefined;
  const exec = readNested(body);
  // a second translation, or one after other actions, would be lost in our form
  if (exec.some(({ kind }) => kind === 'opaque')) return undefined;
  return {
    kind: 'ct',
    ...((flags & ctFlag.commit) === 0 ? {} : { commit: true }),
    ...((flags & ctFlag.force) === 0 ? {} : { force: true }),
    ...(zone === 0 ? {} : { zone }),
    ...(table === noTable ? {} : { table }),
    ...(nat === 'none' ? {} : { nat }),
    ...(helperPort === 0 ? {} : { helperPort }),
    ...(exec.length === 0 ? {} : { exec }),
  };
}

function readZone(body: WireReader): number | Slice | undefined {
  if (body.peek16(0) === 0 && body.peek16(2) === 0) {
    body.skip(4);
    return body.u16();
  }
  const field = readFieldHeader(body);
  const packed = body.u16();
  const [first, bits] = [packed >> 6, (packed & 0x3f) + 1];
  if (field === undefined || first + bits > fields[field].bits) return undefined;
  return first === 0 && bits === fields[field].bits ? { field } : { field, first, bits };
}

function isNat(body: WireReader): boolean {
  return (
    body.left >= 16 &&
    body.peek16(0) === actionType.experimenter &&
    body.peek16(4) * 0x1_0000 + body.peek16(6) === nicira &&
    body.peek16(8) === niciraAction.nat
  );
}

/** Reads a translation with its header. */
function readNat(body: WireReader): 'existing' | NatRange | undefined {
  if (body.left < 16) return undefined;
  body.skip(10);
  if (!body.zeros(2)) return undefined;
  const flags = body.u16();
  const present = body.u16();
  if (flags === 0 && present === 0) return body.zeros(body.left) ? 'existing' : undefined;
  const side = sideOf(flags);
  const both = natFlag.hash | natFlag.random;
  if (side === undefined || flags > 31 || present > 63 || (flags & both) === both) return undefined;
  const range = readRange(body, present);
  if (range === undefined || body.left >= 8 || !body.zeros(body.left)) return undefined;
  return {
    side,
    ...range,
    ...((flags & natFlag.persistent) === 0 ? {} : { persistent: true }),
    ...((flags & natFlag.hash) === 0 ? {} : { choose: 'hash' }),
    ...((flags & natFlag.random) === 0 ? {} : { choose: 'random' }),
  };
}

function sideOf(flags: number): NatRange['side'] | undefined {
  const side = flags & (natFlag.source | natFlag.destination);
  if (side === natFlag.source) return 'source';
  return side === natFlag.destination ? 'destination' : undefined;
}

function readRange(
  body: WireReader,
  present: number,
): Pick<NatRange, 'ipv4' | 'ipv6' | 'ports'> | undefined {
  const has = (bit: number) => (present & bit) !== 0;
  const whole =
    (!has(natRange.ipv4Last) || has(natRange.ipv4First)) &&
    (!has(natRange.ipv6Last) || has(natRange.ipv6First)) &&
    (!has(natRange.portLast) || has(natRange.portFirst)) &&
    !(has(natRange.ipv4First) && has(natRange.ipv6First));
  if (!whole) return undefined;
  const read = <Value>(
    first: number,
    last: number,
    one: () => Value,
  ): { readonly first: Value; readonly last?: Value } | undefined => {
    if (!has(first)) return undefined;
    const start = one();
    return has(last) ? { first: start, last: one() } : { first: start };
  };
  const ipv4 = read(natRange.ipv4First, natRange.ipv4Last, () => body.u32());
  const ipv6 = read(natRange.ipv6First, natRange.ipv6Last, () => body.u128());
  const ports = read(natRange.portFirst, natRange.portLast, () => body.u16());
  return {
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(ports === undefined ? {} : { ports }),
  };
}
