/** Frames and captures as bytes: what is made is read again, and checked against bytes written by others. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressBytes, addressText, checksum, macBytes, macText } from './bytes.ts';
import { decode } from './decode.ts';
import * as frames from './frames.ts';
import { readPcapng } from './pcapng.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const head = { from: '02:00:00:00:00:01', to: '02:00:00:00:00:02' };
const [here, there] = ['10.1.0.1', '10.1.0.2'];
const [here6, there6] = ['fd00::1', 'fd00::2'];

const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(macText);
const address4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(addressText);
const address6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(addressText);
const port = fc.integer({ min: 0, max: 65_535 });

describe('addresses', () => {
  test.each([
    ['0000 0000 0000 0000 0000 0000 0000 0000', '::'],
    ['0000 0000 0000 0000 0000 0000 0000 0001', '::1'],
    ['fd00 0000 0000 0000 0000 0000 0000 0000', 'fd00::'],
    ['2001 0db8 0000 0000 0001 0000 0000 0001', '2001:db8::1:0:0:1'],
    ['0001 0000 0002 0003 0004 0005 0006 0007', '1:0:2:3:4:5:6:7'],
    ['0010 0000 0000 0100 0000 0000 0000 0007', '10:0:0:100::7'],
  ])('%s is %s', (bytes, text) => {
    expect(addressText(hex(bytes))).toBe(text);
    expect(addressBytes(text)).toEqual(hex(bytes));
  });

  test('text and bytes say the same', () => {
    fc.assert(fc.property(address6, (text) => addressText(addressBytes(text)) === text));
    fc.assert(fc.property(address4, (text) => addressText(addressBytes(text)) === text));
    fc.assert(fc.property(mac, (text) => macText(macBytes(text)) === text));
  });

  test.each(['10.0.0', '10.0.0.256', 'fd00:1', '1:2:3:4:5:6:7:8:9'])('%s is none', (text) => {
    expect(() => addressBytes(text)).toThrow('no address');
  });
});

test('the checksum is that of the example of RFC 1071', () => {
  expect(checksum(hex('0001 f203 f4f5 f6f7'))).toBe(~0xddf2 & 0xffff);
});

describe('frames', () => {
  test('an ARP request is what a kernel sends', () => {
    const plan = {
      operation: 'request',
      senderMac: head.from,
      senderAddress: here,
      targetAddress: there,
    } as const;
    expect(Buffer.from(frames.arp({ ...head, to: frames.broadcastMac }, plan))).toEqual(
      Buffer.from(
        hex(`ffffffffffff 020000000001 0806 0001 0800 06 04 0001
             020000000001 0a010001 000000000000 0a010002`),
      ),
    );
  });

  test.each([
    [here, there],
    [here6, there6],
  ])('UDP from %s is read as it was made, with tags', (source, destination) => {
    const ends = fc.record({ sourcePort: port, destinationPort: port });
    fc.assert(
      fc.property(
        ends,
        fc.uint8Array(),
        fc.array(fc.integer({ max: 4095, min: 0 })),
        (...drawn) => {
          const [ports, payload, vlans] = drawn;
          const bytes = frames.udp({ ...head, vlans }, { source, destination, ...ports }, payload);
          const says = decode(bytes, -1);
          expect(says).toMatchObject({ ...head, vlans, udp: ports, isSound: true });
          expect(says?.ip).toMatchObject({ source, destination, protocol: 17, ttl: 64 });
          expect(Buffer.from(says?.payload ?? [])).toEqual(Buffer.from(payload));
        },
      ),
    );
  });

  test.each([
    [here, there],
    [here6, there6],
  ])('a byte that changed on the way from %s shows', (source, destination) => {
    const plan = { source, destination, sourcePort: 1, destinationPort: 2 };
    const bytes = frames.udp(head, plan, hex('01020304'));
    bytes[bytes.length - 1] = 5;
    expect(decode(bytes)?.isSound).toBe(false);
  });

  test.each([
    [here, there, 8],
    [here6, there6, 128],
  ])('an echo request from %s is sound', (source, destination, type) => {
    const says = decode(frames.echoRequest(head, { source, destination }));
    expect(says).toMatchObject({ icmp: { type, code: 0 }, isSound: true });
  });

  test('neighbours and routers speak of what they should', () => {
    const asked = { kind: 'solicitation', source: here6, destination: 'ff02::1:ff00:2' } as const;
    const asks = decode(frames.neighbour(head, { ...asked, target: there6, mac: head.from }));
    expect(asks).toMatchObject({ icmp: { type: 135 }, target: there6, isSound: true });
    expect(asks?.ip?.ttl).toBe(255);
    const plan = { source: 'fe80::1', prefix: 'fd77::', lifetimeS: 600, mtu: 1400 };
    const routes = decode(frames.routerAdvertisement(head, plan));
    expect(routes).toMatchObject({ icmp: { type: 134 }, isSound: true });
    expect(routes?.ip?.destination).toBe('ff02::1');
    expect(Buffer.from(routes?.payload ?? []).toString('hex')).toContain('030440c0');
  });

  test('a VXLAN packet is read down to what is inside', () => {
    const inner = frames.udp(
      { from: '02:00:00:00:00:09', to: '02:00:00:00:00:0a', vlans: [7] },
      { source: here6, destination: there6, sourcePort: 1, destinationPort: 2 },
      hex('aa'),
    );
    const vni = 16_777_215;
    const says = decode(frames.vxlan(head, { source: here, destination: there, vni }, inner));
    expect(says?.vxlan).toEqual({ vni, inner: decode(inner) });
    expect(says?.vxlan?.inner?.vlans).toEqual([7]);
  });

  test('anything may be read', () => {
    const cut = fc.tuple(
      fc.uint8Array({ maxLength: 120 }),
      fc.constantFrom('0800', '86dd', '0806'),
    );
    fc.assert(
      fc.property(cut, ([rest, type]) => {
        const bytes = Uint8Array.from([...hex(`020000000002 020000000001 ${type}`), ...rest]);
        expect(decode(bytes)?.from).toBe(head.from);
      }),
    );
  });
});

describe('captures', () => {
  const little = {
    section: '0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000',
    // Ethernet, name "eth7", times in microseconds as without a word about it
    link: '01000000 20000000 0100 0000 00000000 0200 0400 65746837 0000 0000 20000000',
    frame: `06000000 34000000 00000000 01000000 02000000 05000000 40000000 aabbccddee000000
            0200 0400 02000000 0000 0000 34000000`,
  };

  test('one written by hand is read', () => {
    const unknown = '05000000 10000000 00000000 10000000';
    const bytes = hex(`${little.section}${unknown}${little.link}${little.frame}`);
    expect(readPcapng(bytes)).toEqual([
      {
        link: 'eth7',
        direction: 'out',
        atNs: (2n ** 32n + 2n) * 1000n,
        bytes: hex('aabbccddee'),
        size: 64,
      },
    ]);
  });

  test('one of the other byte order is read, too', () => {
    const bytes = hex(`0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c
      00000001 00000014 0001 0000 00000000 00000014
      00000006 00000024 00000000 00000000 00000007 00000002 00000002 abcd0000 00000024`);
    expect(readPcapng(bytes)).toMatchObject([{ link: '', atNs: 7000n, direction: 'unknown' }]);
  });

  test.each([
    ['cut short', `${little.section}${little.link}`.slice(0, -4), /block of|at the end/],
    ['of nothing', little.link, /begin with a section/],
    ['with a frame of no link', `${little.section}${little.frame}`, /not described/],
    ['with two sizes', little.section.replace(/1c000000$/, '1d000000'), /two sizes/],
  ])('one %s is refused', (_, text, message) => {
    expect(() => readPcapng(hex(text))).toThrow(message);
  });
});
