import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../lib/errors.ts';
import { decodeAddress, decodeRoute } from '../../../lib/datapath/link/address-messages.ts';
import { decodeNeighbour } from '../../../lib/datapath/link/neighbour-messages.ts';
import {
  createVethRequest,
  decodeLink,
  noAddressModeRequest,
  setFlagsRequest,
  setLinkRequest,
} from '../../../lib/datapath/link/link-messages.ts';
import {
  attribute,
  byteAttribute,
  concatenate,
  encodeRequests,
  nested,
  numberAttribute,
  readAcknowledgement,
  readAttributes,
  readText,
  splitMessages,
  textAttribute,
  type NetlinkMessage,
} from '../../../lib/datapath/link/netlink-codec.ts';
import { acknowledgement, done, message } from './fake-libc.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');

/** struct ifinfomsg of link 7, up and running. */
const linkHead = Uint8Array.of(0, 0, 1, 0, 7, 0, 0, 0, 0x41, 0, 0, 0, 0, 0, 0, 0);

describe('framing', () => {
  test('what is encoded as requests is split into the same requests', () => {
    const request = fc.record({
      type: fc.nat(0xffff),
      flags: fc.nat(0xffff),
      body: bytes(40),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 5 }), fc.nat(0xffff), (requests, first) => {
        const messages = splitMessages(encodeRequests(requests, first));
        expect(messages).toHaveLength(requests.length);
        for (const [index, { type, flags, sequence, body }] of messages.entries()) {
          expect([type, sequence]).toEqual([requests[index]?.type, first + index]);
          expect(flags).toBe((requests[index]?.flags ?? 0) | 1);
          expect([...body]).toEqual([...(requests[index]?.body ?? [])]);
        }
      }),
    );
  });

  test('attributes come back by type, whatever their length', () => {
    const entries = fc.uniqueArray(fc.tuple(fc.nat(0x3fff), bytes(30)), {
      selector: ([type]) => type,
      maxLength: 8,
    });
    fc.assert(
      fc.property(entries, (list) => {
        const encoded = concatenate(list.map(([type, payload]) => attribute(type, payload)));
        expect(encoded.length % 4).toBe(0);
        const read = readAttributes(encoded);
        expect([...read].map(([type, payload]) => [type, hex(payload)])).toEqual(
          list.map(([type, payload]) => [type, hex(payload)]),
        );
      }),
    );
  });

  test('a nested attribute is found under its plain type', () => {
    const outer = readAttributes(nested(18, textAttribute(1, 'veth'), byteAttribute(9, 3)));
    const inner = readAttributes(outer.get(18) ?? new Uint8Array());
    expect(readText(inner.get(1) ?? new Uint8Array())).toBe('veth');
  });

  test('any bytes are read or refused with LINK_FAILED, never otherwise', () => {
    const seeds = fc.oneof(
      bytes(200),
      fc
        .tuple(fc.constantFrom(2, 3, 16, 17, 20, 24, 28), bytes(120))
        .map(([type, body]) => message(type, 1, body, 0x200)),
      // a good answer with one byte changed
      fc.tuple(fc.nat(400), fc.nat(255)).map(([at, value]) => {
        const good = concatenate([message(16, 1, goodLink()), acknowledgement(1, 17, 'exists')]);
        good[at % good.length] = value;
        return good;
      }),
    );
    fc.assert(
      fc.property(seeds, (input) => {
        for (const part of messagesOrNone(input)) {
          expect(foreignError(() => readAcknowledgement(part))).toBeUndefined();
          expect(foreignError(() => decodeLink(part.body))).toBeUndefined();
          expect(foreignError(() => decodeAddress(part.body))).toBeUndefined();
          expect(foreignError(() => decodeRoute(part.body))).toBeUndefined();
          expect(foreignError(() => decodeNeighbour(part.body))).toBeUndefined();
        }
        expect(foreignError(() => splitMessages(input))).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['a header that is cut off', Uint8Array.of(16, 0, 0)],
    ['a length below the header', Uint8Array.from({ length: 16 }, () => 0)],
    ['a length beyond the end', Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? 17 : 0))],
  ])('%s is refused', (_, input) => {
    expect(() => splitMessages(input)).toThrow(expect.objectContaining({ code: 'LINK_FAILED' }));
  });
});

describe('acknowledgements', () => {
  const read = (input: Uint8Array) => splitMessages(input).map(readAcknowledgement);

  test('success, refusal and refusal with the kernel words are told apart', () => {
    expect(read(acknowledgement(5, 0))).toEqual([{ errno: 0, text: undefined }]);
    expect(read(acknowledgement(5, 17))).toEqual([{ errno: 17, text: undefined }]);
    expect(read(acknowledgement(5, 22, 'MTU too small'))).toEqual([
      { errno: 22, text: 'MTU too small' },
    ]);
    expect(read(done(5))).toEqual([{ errno: 0, text: undefined }]);
  });

  test('a repeated request that claims two gigabytes is refused', () => {
    const body = new Uint8Array(24);
    body[7] = 0x80;
    expect(() => read(message(2, 5, body, 0x200))).toThrow(
      expect.objectContaining({ code: 'LINK_FAILED' }),
    );
  });

  test('text is found behind a request that is repeated whole', () => {
    const repeated = message(16, 5, new Uint8Array(9));
    const body = concatenate([
      Uint8Array.of(0xea, 0xff, 0xff, 0xff),
      repeated,
      new Uint8Array(3),
      textAttribute(1, 'why'),
    ]);
    expect(read(message(2, 5, body, 0x200))).toEqual([{ errno: 22, text: 'why' }]);
  });
});

describe('link messages', () => {
  test('a link is decoded with what is there and without what is not', () => {
    expect(decodeLink(goodLink())).toEqual({
      index: 7,
      name: 'fh-1',
      kind: 'veth',
      alias: 'fairlead:1',
      mac: '02:42:0a:01:02:03',
      mtu: 1450,
      up: true,
      running: true,
      peerIndex: 8,
      peerNamespace: -1,
      promiscuous: false,
      master: 3,
      group: 9,
    });
    // as `ip link add vx type vxlan id 5 dstport 4790` makes the kernel tell it
    const tunnel = (kind: string) =>
      nested(18, textAttribute(1, kind), nested(2, attribute(15, Uint8Array.of(0x12, 0xb6))));
    const named = concatenate([linkHead, textAttribute(3, 'vx')]);
    expect(decodeLink(concatenate([named, tunnel('vxlan')])).udpPort).toBe(4790);
    expect(decodeLink(concatenate([named, tunnel('geneve')])).udpPort).toBeUndefined();
    const bare = decodeLink(concatenate([linkHead, textAttribute(3, 'lo')]));
    expect(Object.keys(bare).toSorted()).toEqual([
      'group',
      'index',
      'mac',
      'mtu',
      'name',
      'promiscuous',
      'running',
      'up',
    ]);
  });

  test('the request for a pair is the bytes that the kernel documents', () => {
    const request = createVethRequest({
      host: 'a',
      peer: 'b',
      mtu: 0x5aa,
      group: 2,
      peerMac: Uint8Array.of(2, 0x42, 10, 1, 2, 3),
    });
    expect(request).toMatchObject({ type: 16, flags: 0x604 });
    const zeros = '00'.repeat(16);
    const settings = '08000400aa05000008001b0002000000';
    const peer = `${zeros}0600030062000000${settings}0a00010002420a0102030000`;
    const peerAttribute = `${lengthOf(peer)}0100${peer}`;
    const data = `${lengthOf(peerAttribute)}0280${peerAttribute}`;
    const info = `0900010076657468${'00'.repeat(4)}${data}`;
    expect(hex(request.body)).toBe(
      `${zeros}0600030061000000${settings}${lengthOf(info)}1280${info}`,
    );
  });

  test('a change switches up only, and names its link by index or by name', () => {
    const { body } = setLinkRequest({ index: 7 }, { up: true });
    expect(hex(body)).toBe('00000000070000000100000001000000');
    const flags = (set: object) => hex(setFlagsRequest({ index: 7 }, set).body).slice(16);
    expect(flags({ up: false, promiscuous: true })).toBe('0001000001010000');
    expect(flags({ promiscuous: false })).toBe('0000000000010000');
    const named = noAddressModeRequest({ name: 'a' });
    const mode = '0500080001000000';
    const inet6 = `0c000a80${mode}`;
    expect(hex(named.body)).toBe(`${'00'.repeat(16)}060003006100000010001a80${inet6}`);
  });
});

describe('addresses and routes', () => {
  test('our own address of a point-to-point link is taken, not the other side', () => {
    const head = Uint8Array.of(2, 32, 0, 0, 4, 0, 0, 0);
    const one = attribute(1, Uint8Array.of(10, 0, 0, 1));
    const two = attribute(2, Uint8Array.of(10, 0, 0, 2));
    expect(decodeAddress(concatenate([head, one, two]))).toEqual({
      index: 4,
      family: 4,
      address: '10.0.0.2',
      prefixLength: 32,
    });
  });

  test('routes give canonical blocks, large tables, and default without destination', () => {
    const head = (family: number, length: number, flags = 0) =>
      Uint8Array.of(family, length, 0, 0, 254, 0, 0, 1, 0, flags, 0, 0);
    const six = attribute(1, Uint8Array.of(0xfd, ...Array.from({ length: 15 }, () => 0)));
    expect(
      decodeRoute(
        concatenate([head(10, 8), six, numberAttribute(15, 1000), numberAttribute(4, 3)]),
      ),
    ).toEqual({ family: 6, destination: 'fd00::/8', table: 1000, type: 1, outIndex: 3 });
    expect(decodeRoute(head(2, 0))).toEqual({
      family: 4,
      destination: '0.0.0.0/0',
      table: 254,
      type: 1,
    });
    const way = (index: number, ...more: number[]) =>
      Uint8Array.of(8 + more.length, 0, 0, 0, index, 0, 0, 0, ...more);
    const several = attribute(9, concatenate([way(7, 8, 0, 5, 0, 10, 0, 0, 1), way(9)]));
    expect(decodeRoute(concatenate([head(2, 0), several]))).toMatchObject({ wayIndexes: [7, 9] });
    for (const cut of [way(7).subarray(0, 7), Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0)]) {
      expect(() => decodeRoute(concatenate([head(2, 0), attribute(9, cut)]))).toThrow(/cut short/);
    }
    expect(decodeRoute(head(10, 0, 2)), 'a cached copy').toBeUndefined();
    expect(decodeRoute(head(128, 0)), 'multicast routing').toBeUndefined();
    expect(() => decodeRoute(head(2, 33))).toThrow(/prefix length/);
    const hop = attribute(5, Uint8Array.of(10, 0, 0, 254));
    expect(decodeRoute(concatenate([head(2, 0), hop]))).toMatchObject({ gateway: '10.0.0.254' });
  });

  test('neighbours are those that the kernel would send to', () => {
    const head = (state: number) => Uint8Array.of(2, 0, 0, 0, 7, 0, 0, 0, state, 0, 0, 1);
    const address = attribute(1, Uint8Array.of(10, 0, 0, 2));
    const mac = attribute(2, Uint8Array.of(2, 0, 0, 0, 0, 9));
    const reachable = concatenate([head(2), address, mac]);
    expect(decodeNeighbour(reachable)).toEqual({
      index: 7,
      address: '10.0.0.2',
      mac: '02:00:00:00:00:09',
    });
    expect(decodeNeighbour(concatenate([head(32), address, mac])), 'failed').toBeUndefined();
    expect(decodeNeighbour(concatenate([head(1), address])), 'incomplete').toBeUndefined();
    expect(decodeNeighbour(concatenate([head(64), address, mac])), 'no ARP').toBeUndefined();
    const odd = attribute(1, Uint8Array.of(1, 2));
    expect(decodeNeighbour(concatenate([head(2), odd, mac])), 'another family').toBeUndefined();
  });
});

/** What `read` throws beside LINK_FAILED. */
function foreignError(read: () => unknown): unknown {
  try {
    read();
  } catch (error) {
    return hasCode(error, 'LINK_FAILED') ? undefined : error;
  }
  return undefined;
}

function messagesOrNone(input: Uint8Array): readonly NetlinkMessage[] {
  try {
    return splitMessages(input);
  } catch {
    return [];
  }
}

function goodLink(): Uint8Array {
  return concatenate([
    linkHead,
    textAttribute(3, 'fh-1'),
    attribute(1, Uint8Array.of(2, 0x42, 10, 1, 2, 3)),
    numberAttribute(4, 1450),
    numberAttribute(5, 8),
    numberAttribute(10, 3),
    textAttribute(20, 'fairlead:1'),
    numberAttribute(27, 9),
    numberAttribute(37, 0xffff_ffff),
    nested(18, textAttribute(1, 'veth')),
  ]);
}

/** Length field of an attribute with this payload in hex. */
function lengthOf(payload: string): string {
  const length = 4 + payload.length / 2;
  return hex(Uint8Array.of(length & 255, length >> 8));
}
