/**
 * Actions as the text that compares them: writes to fields in one form, neighbours to the same field put
 * together, defaults left out.
 */
import { unreachable } from '../../../assert.ts';
import { sliceBits, wholePacket } from './action-codes.ts';
import { allBits, maskedOf } from './bits.ts';
import { fields, type FieldName } from './fields.ts';
import { reservedPort, type Action, type Ct, type NatRange, type Slice } from './flow.ts';

interface Write {
  readonly field: FieldName;
  readonly value: bigint;
  readonly mask: bigint;
}

/** Bytes as text. */
export function hexOf(bytes: Uint8Array): string {
  let text = '#';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** A list of actions. */
export function actionsText(actions: readonly Action[]): string {
  const parts: string[] = [];
  let pending: Write | undefined;
  for (const action of actions) {
    if (action.kind === 'setField' || action.kind === 'load') {
      const next = writeOf(action);
      if (next === undefined) continue;
      if (pending?.field === next.field) {
        pending = {
          field: next.field,
          value: (pending.value & ~next.mask) | next.value,
          mask: pending.mask | next.mask,
        };
        continue;
      }
      if (pending !== undefined) parts.push(writeText(pending));
      pending = next;
      continue;
    }
    if (pending !== undefined) parts.push(writeText(pending));
    pending = undefined;
    parts.push(actionText(action));
  }
  if (pending !== undefined) parts.push(writeText(pending));
  return parts.join(' ');
}

/** A write to a field as value and mask; undefined when it writes nothing. */
function writeOf(action: Extract<Action, { kind: 'setField' | 'load' }>): Write | undefined {
  if (action.kind === 'setField') {
    const { field, value, mask } = action;
    const entry = mask === undefined ? value : { value: BigInt(value), mask: BigInt(mask) };
    const masked = maskedOf(field, entry);
    return masked === undefined ? undefined : { field, ...masked };
  }
  const { first, bits } = sliceBits(action.to);
  const shift = BigInt(first);
  return {
    field: action.to.field,
    value: BigInt(action.value) << shift,
    mask: allBits(bits) << shift,
  };
}

function writeText({ field, value, mask }: Write): string {
  const whole = mask === allBits(fields[field].bits) ? '' : `/${mask.toString(16)}`;
  return `${field}:=${value.toString(16)}${whole}`;
}

function sliceText(slice: Slice): string {
  const { first, bits } = sliceBits(slice);
  return bits === fields[slice.field].bits ? slice.field : `${slice.field}[${first}+${bits}]`;
}

function actionText(action: Exclude<Action, { kind: 'setField' | 'load' }>): string {
  switch (action.kind) {
    case 'output': {
      // only the controller is sent a part
      const limited = action.port === reservedPort.controller;
      return limited
        ? `output:controller/${action.maxLength ?? wholePacket}`
        : `output:${action.port}`;
    }
    case 'outputField':
      return `output:${sliceText(action.from)}/${action.maxLength ?? wholePacket}`;
    case 'group':
      return `group:${action.group}`;
    case 'move':
      return `move:${sliceText(action.from)}>${sliceText(action.to)}`;
    case 'push':
      return `push:${sliceText(action.from)}`;
    case 'pop':
      return `pop:${sliceText(action.to)}`;
    case 'pushVlan':
      return `pushVlan:${action.ethType.toString(16)}`;
    case 'popVlan':
    case 'decTtl':
    case 'ctClear':
      return action.kind;
    case 'setQueue':
      return `queue:${action.queue}`;
    case 'resubmit':
      return `resubmit:${action.inPort ?? reservedPort.inPort},${action.table ?? 'same'}`;
    case 'ct':
      return ctText(action);
    case 'conjunction':
      return `conjunction:${action.id},${action.clause}/${action.of}`;
    case 'checkPacketLarger':
      return `larger:${action.bytes}>${sliceText(action.to)}`;
    case 'controller':
      return `controller:${action.maxLength ?? wholePacket},${hexOf(action.userdata ?? new Uint8Array())},${action.meter ?? 'no meter'}`;
    case 'note':
      return `note:${hexOf(action.bytes).replace(/(?:00)+$/, '')}`;
    case 'opaque':
      return hexOf(action.bytes);
    default:
      return unreachable(action);
  }
}

function ctText(ct: Ct): string {
  let text = 'ct(';
  if (ct.commit === true) text += 'commit,';
  if (ct.force === true) text += 'force,';
  const { zone = 0 } = ct;
  text += typeof zone === 'number' ? `zone=${zone}` : `zone=${sliceText(zone)}`;
  if (ct.table !== undefined) text += `,table=${ct.table}`;
  if (ct.nat !== undefined) {
    text += ct.nat === 'existing' ? ',nat' : `,nat(${natText(ct.nat)})`;
  }
  if ((ct.helperPort ?? 0) !== 0) text += `,helper=${ct.helperPort}`;
  const exec = actionsText(ct.exec ?? []);
  if (exec !== '') text += `,exec(${exec})`;
  return `${text})`;
}

function natText(nat: NatRange): string {
  let text: string = nat.side;
  for (const range of [nat.ipv4, nat.ipv6, nat.ports]) {
    if (range === undefined) {
      text += ',';
      continue;
    }
    const { first, last = first } = range;
    text += `,${first.toString(16)}`;
    if (last !== first) text += `-${last.toString(16)}`;
  }
  if (nat.persistent === true) text += ',persistent';
  return nat.choose === undefined ? text : `${text},${nat.choose}`;
}
