/**
 * The action of connection tracking and the translation inside it, written (ovs-actions(7), ct and nat).
 * Translation and writes to the mark are actions nested in the ct action.
 */
import { assert } from '../../../assert.ts';
import {
  beginNicira,
  ctFlag,
  endAction,
  natFlag,
  natRange,
  niciraAction,
  noTable,
  packedSlice,
} from './action-codes.ts';
import type { Action, Ct, NatRange } from './flow.ts';
import { writeFieldHeader } from './match.ts';
import type { WireWriter } from './wire.ts';

/** Writes a ct action; `writeNested` writes those that it executes. */
export function writeCt(
  writer: WireWriter,
  ct: Ct,
  writeNested: (writer: WireWriter, actions: readonly Action[]) => void,
): void {
  const start = beginNicira(writer, niciraAction.ct);
  // force without commit is refused by the switch
  writer.u16((ct.commit === true ? ctFlag.commit : 0) | (ct.force === true ? ctFlag.force : 0));
  if (typeof ct.zone === 'object') {
    writeFieldHeader(writer, ct.zone.field);
    writer.u16(packedSlice(ct.zone));
  } else {
    writer.u32(0);
    writer.u16(ct.zone ?? 0);
  }
  writer.u8(ct.table ?? noTable);
  writer.zeros(3);
  writer.u16(ct.helperPort ?? 0);
  if (ct.nat !== undefined) writeNat(writer, ct.nat);
  if (ct.exec !== undefined) writeNested(writer, ct.exec);
  endAction(writer, start);
}

function writeNat(writer: WireWriter, nat: 'existing' | NatRange): void {
  const start = beginNicira(writer, niciraAction.nat);
  writer.zeros(2);
  if (nat === 'existing') writer.zeros(4);
  else writeRange(writer, nat);
  endAction(writer, start);
}

function writeRange(writer: WireWriter, range: NatRange): void {
  const { side, ipv4, ipv6, ports, persistent, choose } = range;
  assert(ipv4 === undefined || ipv6 === undefined, 'a translation to two kinds of address');
  const chosen = { hash: natFlag.hash, random: natFlag.random };
  writer.u16(
    natFlag[side] |
      (persistent === true ? natFlag.persistent : 0) |
      (choose === undefined ? 0 : chosen[choose]),
  );
  writer.u16(
    (ipv4 === undefined ? 0 : natRange.ipv4First) |
      (ipv4?.last === undefined ? 0 : natRange.ipv4Last) |
      (ipv6 === undefined ? 0 : natRange.ipv6First) |
      (ipv6?.last === undefined ? 0 : natRange.ipv6Last) |
      (ports === undefined ? 0 : natRange.portFirst) |
      (ports?.last === undefined ? 0 : natRange.portLast),
  );
  if (ipv4 !== undefined) {
    writer.u32(ipv4.first);
    if (ipv4.last !== undefined) writer.u32(ipv4.last);
  }
  if (ipv6 !== undefined) {
    writer.u128(ipv6.first);
    if (ipv6.last !== undefined) writer.u128(ipv6.last);
  }
  if (ports !== undefined) {
    writer.u16(ports.first);
    if (ports.last !== undefined) writer.u16(ports.last);
  }
}
