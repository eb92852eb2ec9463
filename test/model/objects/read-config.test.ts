/** What of outside becomes a configuration, and what is said of what doesn't. */
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { FairleadError } from '../../../lib/errors.ts';
import { formats } from '../../../lib/model/objects/formats.ts';
import type { ObjectKind } from '../../../lib/model/objects/kind.ts';
import { allKinds, objectKinds } from '../../../lib/model/objects/kinds.ts';
import { keyOf, parseKey } from '../../../lib/model/objects/object-keys.ts';
import { defaultConfig, fieldNames, readConfig } from '../../../lib/model/objects/read-config.ts';
import { objectRowSchema, withoutZeros, withZeros } from '../../../lib/model/objects/rows.ts';

/** What reading answers: the configuration, or what is said. */
function reading(kind: ObjectKind, key: string, json: unknown): unknown {
  try {
    return readConfig(kind, key, json);
  } catch (thrown) {
    if (!(thrown instanceof FairleadError)) throw thrown;
    return thrown.message;
  }
}

const network = {
  tenantName: 'default',
  networkName: 'net1',
  encap: 'vxlan',
  subnet: '10.1.1.0/24',
};
const rule = {
  tenantName: 'default',
  policyName: 'p',
  ruleId: '1',
  direction: 'in',
  action: 'allow',
};
const group = { tenantName: 'default', groupName: 'g', networkName: 'net1' };

describe('a network', () => {
  const saying = (more: object) =>
    reading(objectKinds.network, 'default:net1', { ...network, ...more });

  it('has defaults for what is not given', () => {
    expect(saying({ gateway: null, 'link-sets': {}, links: {} })).toEqual({
      ...network,
      nwType: 'data',
      pktTag: 0,
      gateway: '',
      ipv6Subnet: '',
      ipv6Gateway: '',
      hostAccess: '',
      defaultAction: '',
      enforcement: '',
      cfgdTag: '',
    });
  });

  test.each([
    [{ networkName: 'other' }, 'Invalid Key'],
    [{ networkName: undefined }, 'Invalid Key'],
    [{ encap: '' }, /^encap string invalid format, expected vlan or vxlan$/],
    [{ encap: 'gre' }, /^encap string invalid format/],
    [{ nwType: 'other' }, /^nwType string invalid format/],
    [{ subnet: '' }, /^subnet string invalid format/],
    [{ subnet: '10.1.1.0' }, /^subnet string invalid format/],
    [{ subnet: '10.1.1.0/32' }, /^subnet string invalid format/],
    [{ subnet: '10.01.1.0/24' }, /^subnet string invalid format/],
    [{ subnet: '10.1.1.1-10.1.1.9' }, /^subnet string invalid format/],
    [{ gateway: '10.1.1.256' }, /^gateway string invalid format/],
    [{ gateway: 'fd00::1' }, /^gateway string invalid format/],
    [{ ipv6Subnet: 'fd00::/0' }, /^ipv6Subnet string invalid format/],
    [{ ipv6Subnet: 'fd00::/129' }, /^ipv6Subnet string invalid format/],
    [{ pktTag: -1 }, 'pktTag Value Out of bound'],
    [{ pktTag: 16_777_216 }, 'pktTag Value Out of bound'],
    [{ pktTag: 1.5 }, 'pktTag is not a whole number'],
    [{ pktTag: '5' }, 'pktTag is not a whole number'],
    [{ subnet: 5 }, 'subnet is not a text'],
    [{ cfgdTag: 'a_b' }, /^cfgdTag string invalid format/],
    [{ cfgdTag: 'a'.repeat(129) }, 'cfgdTag string too long'],
  ])('%j is refused', (more, said) => {
    expect(saying(more)).toMatch(said instanceof RegExp ? said : new RegExp(`^${said}$`));
  });

  test.each([99, 100, 107, 108, 109, 117, 118, 119, 120, 127, 128])(
    'IPv6 prefixes that Contiv refused without cause are taken (contiv.md a.3): /%i',
    (length) => {
      expect(saying({ ipv6Subnet: `fd00::/${length}` })).toMatchObject({
        ipv6Subnet: `fd00::/${length}`,
      });
    },
  );

  it('keeps subnets and ranges as they were typed', () => {
    for (const subnet of ['10.7.1.5/24', '10.1.1.10-10.1.1.99/24']) {
      expect(saying({ subnet })).toMatchObject({ subnet });
    }
  });
});

describe('what Contiv took and could not do (contiv.md h)', () => {
  const sayingOfRule = (more: object) =>
    reading(objectKinds.rule, 'default:p:1', { ...rule, ...more });

  test.each(['999', '256', '0', '06', 'tcp ', 'sctp', '-1'])('h.1.9: protocol %s', (protocol) => {
    expect(sayingOfRule({ protocol })).toMatch(/^protocol string invalid format/);
  });
  test.each(['tcp', 'udp', 'icmp', '1', '132', '255', ''])('protocol %j is one', (protocol) => {
    expect(sayingOfRule({ protocol })).toMatchObject({ protocol });
  });
  it('a.4: a negative port, or one above all', () => {
    for (const port of [-1, 65_536]) {
      expect(sayingOfRule({ port })).toBe('port Value Out of bound');
    }
  });
  it('a.4: a negative DSCP', () => {
    const profile = { tenantName: 'default', profileName: 'n' };
    for (const DSCP of [-1, 64]) {
      const said = reading(objectKinds.netprofile, 'default:n', { ...profile, DSCP });
      expect(said).toBe('DSCP Value Out of bound');
    }
  });
  test.each(['10.1.1.5', '10.1.1.5-', '-10.1.1.5', '10.1.1.1-10.1.1.2-10.1.1.3', '10.1.2.0/24'])(
    'a.4: a pool of no two addresses (%s), which stopped the handler',
    (ipPool) => {
      expect(reading(objectKinds.endpointGroup, 'default:g', { ...group, ipPool })).toMatch(
        /^ipPool string invalid format, expected FIRST-LAST/,
      );
    },
  );
  test.each([
    '10.1.1.5-4',
    '10.1.1.5-256',
    '10.1.1.5-10/24',
    'fd00::1-5',
    '10.1.1',
    'x',
    '10.1.1.0/33',
  ])('h.2: an address of a rule that no agent could read (%s)', (fromIpAddress) => {
    expect(sayingOfRule({ fromIpAddress })).toMatch(/^fromIpAddress string invalid format/);
  });
  test.each([
    '10.1.1.5',
    '10.1.1.5/32',
    '10.1.1.0/24',
    '0.0.0.0/0',
    '10.1.1.5-10',
    'fd00::/64',
    'fd00::1',
  ])('an address of a rule may be %s', (toIpAddress) => {
    expect(sayingOfRule({ toIpAddress })).toMatchObject({ toIpAddress });
  });
  it('a priority above 100; none is 1', () => {
    expect(sayingOfRule({ priority: 101 })).toBe('priority Value Out of bound');
    expect(sayingOfRule({})).toMatchObject({ priority: 1 });
  });
});

describe('formats', () => {
  test.each([
    ['name', ['a', 'a.b', 'a-b.c1', '1'], ['a_b', '-a', 'a-', '.a', 'a.', 'a..b', 'a b', 'é']],
    [
      'bandwidth',
      ['20mbps', '6 Mbps', '10Mb', '1k', '5 g'],
      ['0m', '05m', '10', '10  mbps', '10mbs'],
    ],
    ['vlanRange', ['1-4094', '5-5'], ['0-5', '1-4095', '5-1', '5', '1-2-3', '01-5', '1-5,7-9']],
    ['vxlanRange', ['1-10000', '1-16777215'], ['0-1', '1-16777216']],
    [
      'servicePort',
      ['80:8080:TCP', '1:65535:udp'],
      ['80', '80:8080', '0:1:TCP', '1:2:icmp', '1:65536:tcp'],
    ],
    ['selector', ['a=b', 'key1=value1'], ['a', 'a=', '=b', 'a=b=c', 'a b=c']],
    ['privateSubnet', ['172.19.0.0/16'], ['172.19.0.0/24', '172.19.0.0']],
    ['autonomousSystem', ['1', '4294967295'], ['0', '4294967296', '01', 'x']],
    [
      'bindings',
      [
        'topology/pod-1/node-101',
        'topology/pod-1/paths-101/pathep-[eth1/14], topology/pod-1/node-1',
      ],
      ['x', 'topology/pod-1/node-101,'],
    ],
    ['anyName', ['a b', 'é_1'], ['a\nb', '\ud800', 'a\u007f']],
  ] as const)('%s', (name, good, bad) => {
    expect(good.filter((text) => !formats[name].fits(text))).toEqual([]);
    expect(bad.filter((text) => formats[name].fits(text))).toEqual([]);
  });
});

const made = allKinds.filter(({ access }) => access === 'all');

describe('any kind', () => {
  it.each(made)('$plural say of anything from outside what is wrong with it', (kind) => {
    const field = fc.constantFrom(
      ...fieldNames(kind),
      'key',
      '__proto__',
      'constructor',
      'toString',
    );
    const value = fc.oneof(
      fc.constantFrom('default', 'a', '', '10.1.1.0/24', '1-5', 'in', 0, 1, -1, null),
      fc.string({ unit: 'binary' }),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(
        fc.string(),
        fc.oneof(fc.dictionary(field, value), fc.jsonValue()),
        (key, json) => {
          const name = parseKey(kind, key);
          const said = reading(kind, name === undefined ? '' : key, json);
          if (typeof said !== 'string') {
            expect(keyOf(kind, said as never)).toBe(key);
            const row = { config: withoutZeros(said as never) };
            expect(objectRowSchema(kind).parse(row)).toEqual(row);
            expect(withZeros(kind, row.config)).toEqual(said);
          } else expect(said).not.toMatch(/[\n\r]/);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('that is there once has all its defaults', () => {
    expect(defaultConfig(objectKinds.global)).toMatchObject({
      name: 'global',
      networkInfraType: 'default',
      fwdMode: '',
      arpMode: 'proxy',
      vlans: '1-4094',
      vxlans: '1-10000',
      pvtSubnet: '172.19.0.0/16',
    });
  });

  it('names fields and kinds that there are', () => {
    for (const kind of allKinds) {
      for (const name of kind.key)
        expect(Object.keys(kind.fields).includes(name) || kind.access !== 'all').toBe(true);
      for (const { field } of kind.columns) {
        expect(kind.fields[field] ?? kind.oper[field]).toBeDefined();
      }
      for (const source of [...Object.values(kind.linkSets), ...Object.values(kind.links)]) {
        const fields = 'named' in source ? source.named : source.naming;
        const owner = 'named' in source ? kind : objectKinds[source.kind];
        for (const name of fields) {
          if (owner.access === 'all') expect(Object.keys(owner.fields)).toContain(name);
        }
      }
      for (const field of Object.values(kind.fields)) {
        expect(field.doc).toMatch(/^[A-Z`].*\.$/);
        if (field.type === 'text' && field.default !== undefined) {
          expect(formats[field.format].fits(field.default)).toBe(true);
        }
        if (field.type === 'text' && field.words !== undefined) {
          for (const word of field.words) expect(formats[field.format].fits(word)).toBe(true);
        }
      }
    }
  });
});
