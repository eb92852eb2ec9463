/** Values that an object cannot have are refused as such: what is asked was understood, so never with 400. */
import { beforeEach, expect, test } from 'vitest';
import { documentKinds } from '../../../lib/model/objects/document.ts';
import { objectSite, type Json, type ObjectSite } from './object-site.ts';

let site: ObjectSite;
beforeEach(async () => {
  site = await objectSite();
  const network = { encap: 'vxlan', subnet: '10.1.0.0/24', gateway: '10.1.0.254' };
  await site.ask('PUT', '/v1/networks/default/net', { spec: network });
  await site.ask('PUT', '/v1/policys/default/p', {});
});

const addresses = [
  ...['224.0.0.0/24', '0.0.0.0/8', '127.0.0.0/8', '240.0.0.0/8', '255.255.255.0/24', '10.2.0.0/33'],
  ...['10.2.0.0/32', '10.2.0.0/0', '10.0.0.0/7', '10.2.0.9-10.2.0.1/24', '10.2.0.1-11.0.0.1/24'],
  ...['ff00::/64', '::/64', '::1/128', 'fe80::/64', 'fd00::/0', 'fd00::/127', 'fd00::/129'],
  ...['::ffff:10.0.0.0/112', '224.0.0.1', '0.0.0.0', '255.255.255.255', '10.9.9.9', '10.1.0.0'],
  ...['10.1.0.255', '10.1.0.256', 'fe80::1', '::', 'ff02::1', '10.1.0.9-10.1.0.1', '1', 'x', '/'],
  ...['10.1.0.1-10.2.0.1', '0.0.0.0-255.255.255.255', '224.0.0.1-224.0.0.9', '10.1.0.1-x', '-'],
];
const good: Readonly<Record<string, Json>> = {
  network: { encap: 'vxlan', subnet: '10.2.0.0/24', gateway: '' },
  endpointGroup: { networkName: 'net' },
  rule: { direction: 'in', action: 'allow' },
  serviceLB: { networkName: 'net', selectors: ['a=b'], ports: ['80:80:TCP'] },
  netprofile: { bandwidth: '1mbps' },
  extContractsGroup: { contractsType: 'provided', contracts: ['c'] },
};
const fields = documentKinds.flatMap((kind) =>
  Object.entries(kind.fields)
    .filter(([name, { type }]) => type === 'text' && !kind.key.includes(name))
    .map(([field]) => [kind, field] as const),
);

test.each(fields.map(([kind, field]) => [kind.name, field, kind] as const))(
  '%s %s',
  async (name, field, kind) => {
    const given: Readonly<Record<string, string>> = { tenantName: 'default', policyName: 'p' };
    const parts = kind.key.map((key) => kind.single ?? given[key] ?? 'new');
    const path = `/v1/${kind.plural}/${parts.join('/')}`;
    for (const value of addresses) {
      const { status, text } = await site.ask('PUT', path, {
        spec: { ...good[name], [field]: value },
      });
      expect([value, status >= 200 && status < 300 ? 422 : status, text]).toEqual([
        value,
        expect.toSatisfy((code) => code === 422 || code === 409),
        text,
      ]);
      await site.ask('DELETE', path);
    }
  },
);

test.each([
  ['subnet', '224.0.0.0/24'],
  ['subnet', '127.0.0.0/8'],
  ['ipv6Subnet', 'ff00::/64'],
  ['ipv6Subnet', '::1/128'],
])('a network of which %s is %s: its field is named', async (field, value) => {
  const spec = { ...good['network'], [field]: value };
  const own = await site.ask('PUT', '/v1/networks/default/new', { spec });
  expect([own.status, own.text]).toEqual([422, expect.stringContaining(`${field}: subnet`)]);
});
