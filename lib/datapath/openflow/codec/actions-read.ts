/**
 * Actions on the wire, read. Lengths are checked strictly. What our types cannot hold, be it an unknown
 * action or an unknown part of a known one, becomes an opaque action with all of its bytes: flows of other
 * people must be comparable, printable and removable, and never make us blind.
 */
import { FairleadError } from '../../../errors.ts';
import {
  actionType,
  controllerProperty,
  longPort,
  nicira,
  niciraAction,
  noTable,
} from './action-codes.ts';
import { readCt } from './ct-read.ts';
import { fields } from './fields.ts';
import { reservedPort, type Action, type Slice } from './flow.ts';
import { readFieldHeader, readPlainEntry } from './match.ts';
import { paddingTo8, protocolError, type WireReader } from './wire.ts';

/**
 * Reads actions to the end of a window.
 * @throws OVS_PROTOCOL for lengths that make no sense
 */
export function readActions(reader: WireReader): readonly Action[] {
  const actions: Action[] = [];
  while (reader.left > 0) {
    const start = reader.position;
    const type = reader.peek16(0);
    const length = reader.peek16(2);
    if (length < 8 || length % 8 !== 0) throw protocolError(`an action of ${length} bytes`);
    const body = reader.window(length);
    body.skip(4);
    actions.push(readOrGiveUp(type, body) ?? { kind: 'opaque', bytes: reader.since(start) });
  }
  return actions;
}

/** What makes no sense inside of an action is as opaque as what we do not know. */
function readOrGiveUp(type: number, body: WireReader): Action | undefined {
  try {
    return readAction(type, body);
  } catch (thrown) {
    if (thrown instanceof FairleadError) return undefined;
    throw thrown;
  }
}

/** Undefined for what our types cannot hold. `body` is what follows type and length. */
function readAction(type: number, body: WireReader): Action | undefined {
  switch (type) {
    case actionType.output:
      return readOutput(body);
    case actionType.group:
      return body.left === 4 ? { kind: 'group', group: body.u32() } : undefined;
    case actionType.setQueue:
      return body.left === 4 ? { kind: 'setQueue', queue: body.u32() } : undefined;
    case actionType.pushVlan: {
      const ethType = body.u16();
      const known = (ethType === 0x8100 || ethType === 0x88a8) && body.zeros(body.left);
      return known ? { kind: 'pushVlan', ethType } : undefined;
    }
    case actionType.popVlan:
      return body.left === 4 && body.zeros(4) ? { kind: 'popVlan' } : undefined;
    case actionType.decTtl:
      return body.left === 4 && body.zeros(4) ? { kind: 'decTtl' } : undefined;
    case actionType.setField:
      return readSetField(body);
    case actionType.experimenter:
      return body.u32() === nicira ? readNicira(body) : undefined;
    default:
      return undefined;
  }
}

function readOutput(body: WireReader): Action | undefined {
  if (body.left !== 12) return undefined;
  const port = body.u32();
  const maxLength = body.u16();
  if (!body.zeros(6)) return undefined;
  return maxLength === 0 && port !== reservedPort.controller
    ? { kind: 'output', port }
    : { kind: 'output', port, maxLength };
}

function readSetField(body: WireReader): Action | undefined {
  const entry = readPlainEntry(body);
  if (entry === undefined || !body.zeros(body.left)) return undefined;
  return { kind: 'setField', field: entry.name, value: entry.value } as Action;
}

function readNicira(body: WireReader): Action | undefined {
  if (body.left < 8) return undefined;
  const subtype = body.u16();
  switch (subtype) {
    case niciraAction.resubmit:
      return readResubmit(body, false);
    case niciraAction.resubmitTable:
      return readResubmit(body, true);
    case niciraAction.load:
      return readLoad(body);
    case niciraAction.move:
      return readMove(body);
    case niciraAction.outputField:
      return readOutputField(body);
    case niciraAction.note:
      return { kind: 'note', bytes: body.rest() };
    case niciraAction.push:
    case niciraAction.pop:
      return readStack(body, subtype);
    case niciraAction.conjunction:
      return readConjunction(body);
    case niciraAction.ct:
      return readCt(body, readActions);
    case niciraAction.ctClear:
      return body.zeros(body.left) ? { kind: 'ctClear' } : undefined;
    case niciraAction.checkPacketLarger:
      return readCheck(body);
    case niciraAction.controller:
      return readController(body);
    case niciraAction.controller2:
      return readController2(body);
    default:
      return undefined;
  }
}

function readResubmit(body: WireReader, hasTable: boolean): Action | undefined {
  if (body.left !== 6) return undefined;
  const port = longPort(body.u16());
  const table = body.u8();
  if (!body.zeros(3) || (!hasTable && table !== 0)) return undefined;
  return {
    kind: 'resubmit',
    ...(port === reservedPort.inPort ? {} : { inPort: port }),
    ...(hasTable && table !== noTable ? { table } : {}),
  };
}

/** A slice from the 16 bits of Nicira's actions and the header of the field, which follows. */
function readPackedSlice(body: WireReader): Slice | undefined {
  const packed = body.u16();
  return sliceOf(readFieldHeader(body), packed >> 6, (packed & 0x3f) + 1);
}

function sliceOf(
  field: Slice['field'] | undefined,
  first: number,
  bits: number,
): Slice | undefined {
  if (field === undefined || bits === 0 || first + bits > fields[field].bits) return undefined;
  return first === 0 && bits === fields[field].bits ? { field } : { field, first, bits };
}

function readLoad(body: WireReader): Action | undefined {
  if (body.left !== 14) return undefined;
  const to = readPackedSlice(body);
  const value = body.u64();
  if (to === undefined) return undefined;
  const bits = to.bits ?? fields[to.field].bits;
  return value >> BigInt(bits) === 0n ? { kind: 'load', to, value } : undefined;
}

function readMove(body: WireReader): Action | undefined {
  if (body.left !== 14) return undefined;
  const [bits, first, targetFirst] = [body.u16(), body.u16(), body.u16()];
  const from = sliceOf(readFieldHeader(body), first, bits);
  const to = sliceOf(readFieldHeader(body), targetFirst, bits);
  return from === undefined || to === undefined ? undefined : { kind: 'move', from, to };
}

function readOutputField(body: WireReader): Action | undefined {
  if (body.left !== 14) return undefined;
  const from = readPackedSlice(body);
  const maxLength = body.u16();
  if (from === undefined || !body.zeros(6)) return undefined;
  return maxLength === 0xffff
    ? { kind: 'outputField', from }
    : { kind: 'outputField', from, maxLength };
}

function readStack(body: WireReader, subtype: number): Action | undefined {
  if (body.left !== 14) return undefined;
  const first = body.u16();
  const field = readFieldHeader(body);
  const slice = sliceOf(field, first, body.u16());
  if (slice === undefined || !body.zeros(body.left)) return undefined;
  return subtype === niciraAction.push ? { kind: 'push', from: slice } : { kind: 'pop', to: slice };
}

function readConjunction(body: WireReader): Action | undefined {
  if (body.left !== 6) return undefined;
  const clause = body.u8() + 1;
  const of = body.u8();
  return clause <= of ? { kind: 'conjunction', id: body.u32(), clause, of } : undefined;
}

function readCheck(body: WireReader): Action | undefined {
  if (body.left !== 14) return undefined;
  const bytes = body.u16();
  const first = body.u16();
  const to = sliceOf(readFieldHeader(body), first, 1);
  return to === undefined || !body.zeros(body.left)
    ? undefined
    : { kind: 'checkPacketLarger', bytes, to };
}

/** The older form: only its length is what ours can hold. */
function readController(body: WireReader): Action | undefined {
  if (body.left !== 6) return undefined;
  const maxLength = body.u16();
  const [id, reason, zero] = [body.u16(), body.u8(), body.u8()];
  if (id !== 0 || reason !== 1 || zero !== 0) return undefined;
  return maxLength === 0xffff ? { kind: 'controller' } : { kind: 'controller', maxLength };
}

function readController2(body: WireReader): Action | undefined {
  if (!body.zeros(6)) return undefined;
  let maxLength: number | undefined;
  let userdata: Uint8Array | undefined;
  let meter: number | undefined;
  while (body.left >= 4) {
    const type = body.u16();
    const length = body.u16();
    if (length < 4 || length - 4 > body.left) return undefined;
    const value = body.window(length - 4);
    if (!body.zeros(Math.min(body.left, paddingTo8(length)))) return undefined;
    if (type === controllerProperty.maxLength && length === 8 && maxLength === undefined) {
      maxLength = value.u16();
    } else if (type === controllerProperty.userdata && userdata === undefined) {
      userdata = value.rest();
    } else if (type === controllerProperty.meter && length === 8 && meter === undefined) {
      meter = value.u32();
    } else {
      return undefined;
    }
  }
  return {
    kind: 'controller',
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(userdata === undefined ? {} : { userdata }),
    ...(meter === undefined ? {} : { meter }),
  };
}
