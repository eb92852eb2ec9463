/** Which of the packets that the flows hand over are answered, and from which gateway. */
import { describe, expect, it } from 'vitest';
import { cookieOf, type CookieKind } from '../../lib/datapath/pipeline/fields.ts';
import { answerFor } from '../../lib/host/gateway-answers.ts';
import { addressBytes, parseAddress, parseCidr } from '../../lib/ip/ip.ts';
import type { Segment } from '../../lib/network/world.ts';

const segment: Segment = {
  id: 's',
  number: 7,
  domain: 1,
  encapsulation: { kind: 'vxlan', vni: 7 },
  subnets: [
    { cidr: parseCidr('fd00::/64'), gateway: parseAddress('fd00::fe') },
    { cidr: parseCidr('10.0.0.0/24'), gateway: parseAddress('10.0.0.254') },
  ],
  routed: true,
  neighbours: 'answered',
  mtu: 1450,
  outside: false,
  reached: false,
};
const frame = new Uint8Array([
  ...[2, 0, 0, 0, 0, 254, 2, 0, 0, 0, 0, 1, 8, 0],
  ...[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0],
  ...addressBytes(parseAddress('10.0.0.1')),
  ...addressBytes(parseAddress('10.9.9.9')),
  ...[0, 1, 0, 2, 0, 8, 0, 0],
]);
const other: Segment = {
  ...segment,
  number: 8,
  subnets: [{ cidr: parseCidr('10.1.0.0/24'), gateway: parseAddress('10.1.0.254') }],
};
const segments = {
  numbered: (number: number) => (number === 7 ? segment : undefined),
  atPort: (port: number) => (port === 101 ? other : undefined),
};
const packet = (kind: CookieKind, match: object = { inPort: 100, reg1: 7 }) => ({
  cookie: cookieOf(kind),
  match,
  data: frame,
});

describe('a packet that the flows hand over', () => {
  it.each([
    ['timeExceeded', [11, 0], 0],
    ['unreachable', [3, 1], 0],
    ['tooBig', [3, 4], 1450],
  ] as const)('is answered when it is %s, from the gateway of its family', (kind, code, mtu) => {
    const answer = answerFor(packet(kind), segments);
    expect(answer?.port).toBe(100);
    const bytes = [...(answer?.frame ?? [])];
    expect(bytes.slice(26, 30)).toEqual([10, 0, 0, 254]);
    expect(bytes.slice(34, 36)).toEqual(code);
    expect((bytes[40] ?? 0) * 256 + (bytes[41] ?? 0)).toBe(mtu);
  });

  it('is answered by the gateway of the network that it came from', () => {
    const answer = answerFor(packet('tooBig', { inPort: 101, reg1: 7 }), segments);
    expect([...(answer?.frame ?? [])].slice(26, 30)).toEqual([10, 1, 0, 254]);
  });

  it.each([
    ['for another reason', packet('probe')],
    ['of a network that is not here', packet('unreachable', { inPort: 100, reg1: 9 })],
    ['that does not say where it came in', packet('unreachable', { reg1: 7 })],
    ['of nobody known', { ...packet('unreachable'), cookie: 5n }],
  ])('%s is not answered', (_what, one) => {
    expect(answerFor(one, segments)).toBeUndefined();
  });
});
