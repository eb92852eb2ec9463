/** Every shape that rules have, a case each. Contiv's own behaviours are among them (README.md here). */
import type { Policies, Rule } from '../../support/policy-words.ts';

/** A rule that allows, above those that deny. */
export const allow = (rule: Rule): Rule => ({ priority: 2, ...rule, action: 'allow' });
/** A rule that denies. */
export const deny = (rule: Rule = {}): Rule => ({ ...rule, action: 'deny' });
const out = (rule: Rule): Rule => ({ ...rule, direction: 'out' });
const web80: Rule = { protocol: 'tcp', port: 80 };

/** Rules `in` of the group `back`. */
export const into = (...rules: readonly Rule[]): Policies => ({
  has: { back: ['p'] },
  rules: { p: rules },
});
/** Rules `out` of the group `front`. */
export const from = (...rules: readonly Rule[]): Policies => ({
  has: { front: ['p'] },
  rules: { p: rules.map(out) },
});

/** The cases, by what they are about. */
export const shapes: Readonly<Record<string, Policies>> = {
  'a policy that no group has': { has: {}, rules: { p: [deny()] } },
  'in: nothing': into(deny()),
  'in: nothing but tcp 80': into(deny(), allow(web80)),
  'in: no tcp but 80, as in Contiv’s PolicyBasic': into(
    deny({ protocol: 'tcp' }),
    allow({ ...web80, priority: 100 }),
  ),
  'in: nothing but tcp 79 to 80': into(deny(), allow({ ...web80, port: 79, portLast: 80 })),
  'in: no udp from 81 on': into(deny({ protocol: 'udp', port: 81, portLast: 65_535 })),
  'in: nothing but ping': into(deny(), allow({ protocol: 'icmp', icmpType: 'echo' })),
  'in: no question for the time': into(deny({ protocol: 'icmp', icmpType: 'timestamp' })),
  'in: no udp 80': into(deny({ protocol: 'udp', port: 80 })),
  'in: no icmp, of either family': into(deny({ protocol: 'icmp' })),
  'in: no protocol 6': into(deny({ protocol: '6' })),
  'in: only from a group': into(deny(), allow({ fromEndpointGroup: 'front' })),
  'in: only from a group of another network': into(deny(), allow({ fromEndpointGroup: 'data' })),
  'in: tcp 80 from a group, icmp from a network': into(
    deny(),
    allow({ ...web80, fromEndpointGroup: 'front' }),
    allow({ protocol: 'icmp', fromNetwork: 'db' }),
  ),
  'in: not from the own group': into(deny({ fromEndpointGroup: 'back' })),
  'in: not from a network': into(deny({ fromNetwork: 'web' })),
  'in: not from another network': into(deny({ fromNetwork: 'db' })),
  'in: not from an address': into(deny({ fromIpAddress: '10.80.1.1' })),
  'in: not from a block': into(deny({ fromIpAddress: '10.80.1.0/30' })),
  'in: not from a block of IPv6': into(deny({ fromIpAddress: 'fd80:2::/64' })),
  'in: not from a range': into(deny({ fromIpAddress: '10.80.1.3-7' })),
  'in: not from some of a group': into(
    deny({ fromEndpointGroup: 'front', fromIpAddress: '10.80.1.4/30' }),
  ),
  'by default nothing, by the tenant': { has: {}, rules: {}, says: { blue: 'deny' } },
  'by default nothing but what rules allow': {
    has: { back: ['p'], front: ['p'] },
    rules: { p: [allow(web80), out(allow({ protocol: 'tcp' })), out(allow({ protocol: 'icmp' }))] },
    says: { blue: 'deny' },
  },
  'by default nothing into a network, and into one group of it all': {
    has: {},
    rules: {},
    says: { web: 'deny-in', back: 'allow' },
  },
  'by default nothing out of a group': { has: {}, rules: {}, says: { back: 'deny-out' } },
  'audit of a tenant that denies all': { has: {}, rules: {}, says: { blue: 'deny audit' } },
  'audit of one of two groups with a rule': {
    has: { back: ['p'], data: ['p'] },
    rules: { p: [deny({ protocol: 'tcp' })] },
    says: { back: 'audit' },
  },
  'out: nothing': from(deny()),
  'out: nothing but tcp 80': from(deny(), allow(web80)),
  'out: no tcp 1 to 80': from(deny({ protocol: 'tcp', port: 1, portLast: 80 })),
  'out: no ping': from(deny({ protocol: 'icmp', icmpType: 'echo' })),
  'out: only to a group': from(deny(), allow({ toEndpointGroup: 'back' })),
  'out: udp to a group': from(deny({ protocol: 'udp', toEndpointGroup: 'data' })),
  'out: not to a network': from(deny({ toNetwork: 'db' })),
  'out: not to a block': from(deny({ toIpAddress: '10.80.1.4/30' })),
  'out: only to an address of IPv6': from(deny(), allow({ toIpAddress: 'fd80:2::2' })),
  'out: icmp only': from(deny(), allow({ protocol: 'icmp' })),
  'equal priorities: deny wins': into(
    allow({ priority: 5, protocol: 'tcp' }),
    deny({ priority: 5, fromEndpointGroup: 'front' }),
    deny({ priority: 1 }),
  ),
  'three priorities': into(
    deny({ priority: 1 }),
    allow({ priority: 10, protocol: 'tcp' }),
    deny({ priority: 100, protocol: 'tcp', port: 81 }),
  ),
  'in and out by group, network, address and ICMP, as in Contiv’s PolicyFeatures': {
    has: { back: ['p'], front: ['q'] },
    rules: {
      p: [
        deny({ protocol: 'tcp' }),
        allow({ ...web80, priority: 10, fromEndpointGroup: 'front' }),
        deny({ ...web80, priority: 100, fromIpAddress: '10.80.1.4' }),
        deny({ priority: 10, protocol: 'icmp', fromNetwork: 'db' }),
      ],
      q: [
        deny({ protocol: 'icmp' }),
        allow({ priority: 10, protocol: 'icmp', toEndpointGroup: 'back' }),
        deny({ priority: 100, protocol: 'icmp', toIpAddress: '10.80.1.4/30' }),
        deny({ priority: 10, protocol: 'udp', toNetwork: 'db' }),
      ].map(out),
    },
  },
  'two policies of a group': {
    has: { back: ['p', 'q'] },
    rules: { p: [deny({ protocol: 'tcp' })], q: [allow({ ...web80, fromNetwork: 'web' })] },
  },
  'a policy of three groups': {
    has: { front: ['p'], back: ['p'], data: ['p'] },
    rules: { p: [deny(), allow({ fromEndpointGroup: 'front' })] },
  },
  'what one end allows and the other does not': {
    has: { front: ['p'], back: ['q'] },
    rules: {
      p: [out(deny()), out(allow({ protocol: 'tcp' })), out(allow({ protocol: 'icmp' }))],
      q: [deny(), allow({ port: 80, protocol: 'tcp' }), allow({ port: 80, protocol: 'udp' })],
    },
  },
  'a server that may begin nothing answers': {
    has: { back: ['p'] },
    rules: { p: [out(deny()), deny(), allow(web80)] },
  },
};

/** Cases about a machine on the wire, which is in no group (`policy-cast.ts`). */
export const wireShapes: Readonly<Record<string, Policies>> = {
  'in: only from a machine on the wire': into(
    deny(),
    allow({ fromIpAddress: '10.80.1.9' }),
    allow({ fromIpAddress: 'fd80:1::9' }),
  ),
  'in: not from a machine on the wire': into(
    deny({ fromIpAddress: '10.80.1.9' }),
    deny({ fromIpAddress: 'fd80:1::9', protocol: 'tcp' }),
  ),
  'in: from all groups, so not from who is in none': into(
    deny(),
    allow({ fromEndpointGroup: 'front' }),
    allow({ fromEndpointGroup: 'data' }),
    allow({ fromEndpointGroup: 'back' }),
  ),
  'out: only to a machine on the wire': from(
    deny(),
    allow({ toIpAddress: '10.80.1.9' }),
    allow({ toIpAddress: 'fd80:1::9' }),
  ),
  'out: no udp to a machine on the wire': from(
    deny({ protocol: 'udp', toIpAddress: '10.80.1.9' }),
    deny({ protocol: 'udp', toIpAddress: 'fd80:1::9' }),
  ),
};
