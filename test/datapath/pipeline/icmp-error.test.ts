/** ICMP errors, read back by a reader of their own. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressBytes, parseAddress } from '../../../lib/ip/ip.ts';
import { icmpError, type IcmpComplaint } from '../../../lib/datapath/pipeline/icmp-error.ts';

const router4 = parseAddress('10.1.1.254');
const router6 = parseAddress('fd01::fe');
const macs = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/** A frame to the gateway: MACs, then an IPv4 packet. */
function frame4(payload: Uint8Array, change: Readonly<Record<number, number>> = {}): Uint8Array {
  const header = new Uint8Array([
    0x45,
    0,
    0,
    0,
    0,
    0,
    0x40,
    0,
    1,
    17,
    0,
    0,
    ...addressBytes(parseAddress('10.1.1.1')),
    ...addressBytes(parseAddress('10.1.2.9')),
  ]);
  for (const [index, value] of Object.entries(change)) header[Number(index)] = value;
  return new Uint8Array([...macs, 8, 0, ...header, ...payload]);
}

function frame6(payload: Uint8Array, change: Readonly<Record<number, number>> = {}): Uint8Array {
  const header = new Uint8Array([
    0x60,
    0,
    0,
    0,
    0,
    payload.length,
    17,
    1,
    ...addressBytes(parseAddress('fd01::1')),
    ...addressBytes(parseAddress('fd02::9')),
  ]);
  for (const [index, value] of Object.entries(change)) header[Number(index)] = value;
  return new Uint8Array([...macs, 0x86, 0xdd, ...header, ...payload]);
}

/** The sum of 16-bit words in ones' complement; 0xffff for bytes with a right checksum inside. */
function onesSum(bytes: readonly number[]): number {
  let total = 0;
  for (let index = 0; index < bytes.length; index += 2) {
    total += (bytes[index] ?? 0) * 256 + (bytes[index + 1] ?? 0);
    total = (total % 65_536) + Math.floor(total / 65_536);
  }
  return total;
}

const payloads = fc.uint8Array({ maxLength: 2000 });
const complaints: readonly [string, IcmpComplaint, readonly number[], readonly number[]][] = [
  ['the hops are used up', { kind: 'timeExceeded' }, [11, 0], [3, 0]],
  ['nobody is there', { kind: 'unreachable' }, [3, 1], [1, 3]],
  ['it is too big', { kind: 'tooBig', mtu: 1450 }, [3, 4], [2, 0]],
];

describe.each(complaints)('an error that says that %s', (_what, complaint, code4, code6) => {
  it('is a right IPv4 packet to the sender that quotes what was sent', () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        const sent = frame4(payload);
        const answer = icmpError(sent, router4, complaint) ?? new Uint8Array();
        expect([...answer.subarray(0, 14)]).toEqual([...macs.slice(6), ...macs.slice(0, 6), 8, 0]);
        const packet = [...answer.subarray(14)];
        expect(packet.length).toBeLessThanOrEqual(576);
        expect((packet[2] ?? 0) * 256 + (packet[3] ?? 0)).toBe(packet.length);
        expect(packet.slice(12, 20)).toEqual([10, 1, 1, 254, 10, 1, 1, 1]);
        expect(onesSum(packet.slice(0, 20))).toBe(0xffff);
        expect(onesSum(packet.slice(20))).toBe(0xffff);
        expect(packet.slice(20, 22)).toEqual(code4);
        const mtu = complaint.kind === 'tooBig' ? [1450 >> 8, 1450 & 255] : [0, 0];
        expect(packet.slice(24, 28)).toEqual([0, 0, ...mtu]);
        const quoted = packet.slice(28);
        expect(quoted).toEqual([...sent.subarray(14, 14 + quoted.length)]);
        expect(quoted.length).toBe(Math.min(20 + payload.length, 548));
      }),
    );
  });

  it('is a right IPv6 packet to the sender that quotes what was sent', () => {
    fc.assert(
      fc.property(payloads, (payload) => {
        const sent = frame6(payload);
        const packet = [...(icmpError(sent, router6, complaint) ?? []).slice(14)];
        expect(packet.length).toBeLessThanOrEqual(1280);
        const icmp = packet.slice(40);
        expect((packet[4] ?? 0) * 256 + (packet[5] ?? 0)).toBe(icmp.length);
        expect(packet.slice(8, 40)).toEqual([
          ...addressBytes(router6),
          ...addressBytes(parseAddress('fd01::1')),
        ]);
        const pseudo = [
          ...packet.slice(8, 40),
          0,
          0,
          icmp.length >> 8,
          icmp.length & 255,
          0,
          0,
          0,
          58,
        ];
        expect(onesSum([...pseudo, ...icmp])).toBe(0xffff);
        expect(icmp.slice(0, 2)).toEqual(code6);
        const mtu = complaint.kind === 'tooBig' ? [1450 >> 8, 1450 & 255] : [0, 0];
        expect(icmp.slice(4, 8)).toEqual([0, 0, ...mtu]);
        expect(icmp.slice(8)).toEqual([...sent.subarray(14, 14 + icmp.length - 8)]);
      }),
    );
  });
});

describe('nothing is said', () => {
  const echo = new Uint8Array([8, 0, 0, 0]);
  const unreachable: IcmpComplaint = { kind: 'unreachable' };
  it.each([
    ['about an ICMP error', frame4(new Uint8Array([3, 0, 0, 0]), { 9: 1 })],
    ['about a later fragment', frame4(echo, { 6: 0, 7: 5 })],
    ['to nobody', frame4(echo, { 12: 0 })],
    ['to many', frame4(echo, { 12: 224 })],
    ['about what went to many', frame4(echo, { 16: 239 })],
    ['about half a header', frame4(echo).subarray(0, 30)],
    ['about another version', frame4(echo, { 0: 0x65 })],
    ['about what is not IP', new Uint8Array([...macs, 8, 6, 0, 0])],
    ['about less than a frame', new Uint8Array(5)],
  ])('%s (IPv4)', (_why, frame) => {
    expect(icmpError(frame, router4, unreachable)).toBeUndefined();
    expect(icmpError(frame, router6, unreachable)).toBeUndefined();
  });

  it.each([
    ['about an ICMP error', frame6(new Uint8Array([1, 0, 0, 0]), { 6: 58 })],
    [
      'to nobody',
      frame6(echo, Object.fromEntries(Array.from({ length: 16 }, (_n, i) => [8 + i, 0]))),
    ],
    ['to many', frame6(echo, { 8: 0xff })],
    ['about what went to many', frame6(echo, { 24: 0xff })],
    ['about half a header', frame6(echo).subarray(0, 50)],
  ])('%s (IPv6)', (_why, frame) => {
    expect(icmpError(frame, router6, unreachable)).toBeUndefined();
  });

  it('but pings are answered, and too big multicast of IPv6', () => {
    expect(icmpError(frame4(echo, { 9: 1 }), router4, unreachable)).toBeDefined();
    const ping = frame6(new Uint8Array([128, 0, 0, 0]), { 6: 58 });
    expect(icmpError(ping, router6, unreachable)).toBeDefined();
    const many = frame6(echo, { 24: 0xff });
    expect(icmpError(many, router6, { kind: 'tooBig', mtu: 1280 })).toBeDefined();
  });

  it('of bytes at random anything but an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (bytes, isV6) => {
        const answer = icmpError(bytes, isV6 ? router6 : router4, unreachable);
        expect(answer === undefined || answer.length > 42).toBe(true);
      }),
    );
  });
});
