/** What is said of a container on the wire, read by the reader of the lab's captures. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { announcements } from '../../../lib/datapath/pipeline/announce.ts';
import { formatAddress, parseAddress, type IpAddress } from '../../../lib/ip/ip.ts';
import { decode } from '../../lab/traffic/decode.ts';

const mac = '02:42:0a:3d:0a:32';

test('a container is announced by each of its addresses', () => {
  const address4 = fc.nat(0xffff_ffff).map((n): IpAddress => ({ family: 4, value: BigInt(n) }));
  const address6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((value): IpAddress => ({
    family: 6,
    value,
  }));
  fc.assert(
    fc.property(address4, address6, (ipv4, ipv6) => {
      const [arp, advertisement, ...more] = announcements({ mac, ipv4, ipv6 });
      expect(more).toEqual([]);
      const own4 = formatAddress(ipv4);
      expect(decode(arp ?? new Uint8Array())).toEqual({
        ...{ to: 'ff:ff:ff:ff:ff:ff', from: mac, vlans: [], type: 0x0806 },
        arp: {
          ...{ operation: 1, senderMac: mac, senderAddress: own4 },
          ...{ targetMac: '00:00:00:00:00:00', targetAddress: own4 },
        },
      });
      const said = decode(advertisement ?? new Uint8Array());
      expect(said).toMatchObject({
        ...{ to: '33:33:00:00:00:01', from: mac, isSound: true },
        icmp: { type: 136, code: 0 },
      });
      expect(said?.ip).toMatchObject({ destination: 'ff02::1', ttl: 255, protocol: 58, size: 72 });
      expect(parseAddress(said?.target ?? '')).toEqual(ipv6);
      expect(parseAddress(said?.ip?.source ?? '')).toEqual(ipv6);
      // override, and the option with the MAC
      const payload = Buffer.from(said?.payload ?? []);
      expect(payload.subarray(-8).toString('hex')).toBe('020102420a3d0a32');
      expect(advertisement?.at(14 + 40 + 4)).toBe(0x20);
    }),
  );
  expect(announcements({ mac, ipv4: undefined, ipv6: undefined })).toEqual([]);
});
