/**
 * Actions and instructions as ovs-ofctl prints them (ovs-actions(7)).
 */
import { unreachable } from '../../../assert.ts';
import { wholePacket } from './action-codes.ts';
import { runsOf } from './actions-write.ts';
import { allBits, maskedOf } from './bits.ts';
import { hexOf } from './canonical-actions.ts';
import { fields } from './fields.ts';
import { reservedPort, type Action, type Ct, type Instructions, type NatRange } from './flow.ts';
import {
  formatIpv4,
  formatIpv6,
  formatPort,
  formatSlice,
  formatValue,
  hex,
  isNamedPort,
} from './format-values.ts';

const helpers: ReadonlyMap<number, string> = new Map([
  [21, 'ftp'],
  [69, 'tftp'],
]);

/** All that a flow does; `drop` when that is nothing. */
export function formatInstructions(instructions: Instructions): string {
  const { meter, apply, clear, write, writeMetadata, goto, opaque } = instructions;
  const parts = [
    ...(meter === undefined ? [] : [`meter:${meter}`]),
    ...(apply === undefined || apply.length === 0 ? [] : [formatActions(apply)]),
    ...(clear === true ? ['clear_actions'] : []),
    ...(write === undefined || write.length === 0
      ? []
      : [`write_actions(${formatActions(write)})`]),
  ];
  if (writeMetadata !== undefined && writeMetadata.mask !== 0n) {
    const { value, mask } = writeMetadata;
    const suffix = mask === allBits(64) ? '' : `/${hex(mask)}`;
    parts.push(`write_metadata:${hex(value & mask)}${suffix}`);
  }
  if (goto !== undefined) parts.push(`goto_table:${goto}`);
  for (const bytes of opaque ?? []) parts.push(hexOf(bytes));
  const text = parts.filter((part) => part !== '').join(',');
  return text === '' ? 'drop' : text;
}

/** Actions joined by commas; nothing for none. */
export function formatActions(actions: readonly Action[]): string {
  return actions
    .map(formatAction)
    .filter((text) => text !== '')
    .join(',');
}

function formatAction(action: Action): string {
  switch (action.kind) {
    case 'output':
      return formatOutput(action.port, action.maxLength);
    case 'outputField':
      return `output:${formatSlice(action.from)}`;
    case 'group':
      return `group:${action.group}`;
    case 'setField':
      return formatSetField(action);
    case 'load':
      return `load:${hex(BigInt(action.value))}->${formatSlice(action.to)}`;
    case 'move':
      return `move:${formatSlice(action.from)}->${formatSlice(action.to)}`;
    case 'push':
      return `push:${formatSlice(action.from)}`;
    case 'pop':
      return `pop:${formatSlice(action.to)}`;
    case 'pushVlan':
      return `push_vlan:0x${action.ethType.toString(16)}`;
    case 'popVlan':
      return 'pop_vlan';
    case 'decTtl':
      return 'dec_ttl';
    case 'setQueue':
      return `set_queue:${action.queue}`;
    case 'resubmit':
      return formatResubmit(action);
    case 'ct':
      return formatCt(action);
    case 'ctClear':
      return 'ct_clear';
    case 'conjunction':
      return `conjunction(${action.id},${action.clause}/${action.of})`;
    case 'checkPacketLarger':
      return `check_pkt_larger(${action.bytes})->${formatSlice(action.to)}`;
    case 'controller':
      return formatController(action);
    case 'note':
      return `note:${dotted(padNote(action.bytes))}`;
    case 'opaque':
      return hexOf(action.bytes);
    default:
      return unreachable(action);
  }
}

/** A note fills the multiples of 8 bytes that an action must have. */
function padNote(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.max(6, Math.ceil((bytes.length - 6) / 8) * 8 + 6));
  padded.set(bytes);
  return padded;
}

function dotted(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('.');
}

function formatOutput(port: number, maxLength: number | undefined): string {
  if (port === reservedPort.controller) return `CONTROLLER:${maxLength ?? wholePacket}`;
  return isNamedPort(port) ? formatPort(port) : `output:${port}`;
}

function formatSetField(action: Extract<Action, { kind: 'setField' }>): string {
  const { field, value, mask } = action;
  const { style, name, bits } = fields[field];
  if (mask === undefined) return `set_field:${formatValue(style, BigInt(value))}->${name}`;
  const masked = maskedOf(field, { value: BigInt(value), mask: BigInt(mask) });
  if (masked === undefined) return '';
  if (masked.mask === allBits(bits))
    return `set_field:${formatValue(style, masked.value)}->${name}`;
  return runsOf(masked.mask)
    .map(({ first, bits: count }) => {
      const run = (masked.value >> BigInt(first)) & allBits(count);
      return `load:${hex(run)}->${formatSlice({ field, first, bits: count })}`;
    })
    .join(',');
}

function formatResubmit({ table, inPort }: Extract<Action, { kind: 'resubmit' }>): string {
  const port = inPort === undefined || inPort === reservedPort.inPort ? '' : formatPort(inPort);
  return port !== '' && table === undefined
    ? `resubmit:${port}`
    : `resubmit(${port},${table ?? ''})`;
}

function formatController({
  maxLength = wholePacket,
  userdata = new Uint8Array(),
  meter,
}: Extract<Action, { kind: 'controller' }>): string {
  if (userdata.length === 0 && meter === undefined) return `CONTROLLER:${maxLength}`;
  const words = [
    ...(maxLength === wholePacket ? [] : [`max_len=${maxLength}`]),
    ...(userdata.length === 0 ? [] : [`userdata=${dotted(userdata)}`]),
    ...(meter === undefined ? [] : [`meter_id=${meter}`]),
  ];
  return `controller(${words.join(',')})`;
}

function formatCt(ct: Ct): string {
  const { zone = 0, exec = [], helperPort = 0 } = ct;
  const parts = [
    ...(ct.commit === true ? ['commit'] : []),
    ...(ct.force === true ? ['force'] : []),
    ...(ct.table === undefined ? [] : [`table=${ct.table}`]),
    ...(typeof zone === 'object' ? [`zone=${formatSlice(zone)}`] : []),
    ...(typeof zone === 'number' && zone !== 0 ? [`zone=${zone}`] : []),
    ...(ct.nat === undefined ? [] : [formatNat(ct.nat)]),
    ...(exec.length === 0 ? [] : [`exec(${formatActions(exec)})`]),
    ...(helperPort === 0 ? [] : [`alg=${helpers.get(helperPort) ?? helperPort}`]),
  ];
  return `ct(${parts.join(',')})`;
}

function formatNat(nat: 'existing' | NatRange): string {
  if (nat === 'existing') return 'nat';
  const { side, persistent, choose } = nat;
  const range = formatRange(nat);
  const first = side === 'source' ? 'src' : 'dst';
  const parts = [
    range === '' ? first : `${first}=${range}`,
    ...(persistent === true ? ['persistent'] : []),
    ...(choose === undefined ? [] : [choose]),
  ];
  return `nat(${parts.join(',')})`;
}

function formatRange({ ipv4, ipv6, ports }: NatRange): string {
  let text = '';
  if (ipv4 !== undefined) {
    const { first, last = first } = ipv4;
    text += formatIpv4(first) + (last === first ? '' : `-${formatIpv4(last)}`);
  }
  if (ipv6 !== undefined) {
    const { first, last = first } = ipv6;
    // the port is behind the address, which has colons of its own
    const one = (address: bigint) =>
      ports === undefined ? formatIpv6(address) : `[${formatIpv6(address)}]`;
    text += one(first) + (last === first ? '' : `-${one(last)}`);
  }
  if (ports !== undefined) {
    const { first, last = first } = ports;
    text += `:${first}${last === first ? '' : `-${last}`}`;
  }
  return text;
}
