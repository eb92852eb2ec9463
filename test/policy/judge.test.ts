/** What rules say: each sentence of the README as a case, and all together against a plain reading. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCidr, parseAddress } from '../../lib/ip/ip.ts';
import type { RuleConfig } from '../../lib/model/objects/rule.ts';
import { compileRule, ruleBlocks } from '../../lib/policy/compile.ts';
import { judge } from '../../lib/policy/judge.ts';
import { compiledOf, drawnConversation, drawnTenant, names, numbered } from './drawn-policies.ts';
import { deciding, type PlainConversation } from './plain-reading.ts';

const plainRule: RuleConfig = {
  tenantName: 'default',
  policyName: 'base',
  ruleId: '1',
  direction: 'in',
  priority: 1,
  action: 'allow',
  protocol: '',
  port: 0,
  portLast: 0,
  icmpType: '',
  fromEndpointGroup: '',
  toEndpointGroup: '',
  fromNetwork: '',
  toNetwork: '',
  fromIpAddress: '',
  toIpAddress: '',
};
const policiesOf = { web: ['base'], app: ['extra'] };
const verdictOf = (
  rules: readonly Partial<RuleConfig>[],
  conversation: Partial<PlainConversation> = {},
) => {
  const tenant = {
    rules: rules.map((rule, index) => ({ ...plainRule, ruleId: `${index}`, ...rule })),
    policiesOf,
    subnetsOf: {},
  };
  const {
    verdict,
    out,
    in: into,
  } = judge(
    compiledOf(tenant),
    numbered({
      client: { address: '10.0.1.3', group: 'app' },
      server: { address: '10.0.1.5', group: 'web' },
      protocol: 6,
      port: 80,
      network: 'blue',
      ...conversation,
    }),
  );
  return [verdict, out.rule?.name, into.rule?.name];
};

describe('rules', () => {
  test('are not needed: what none is about is allowed', () => {
    expect(verdictOf([])).toEqual(['allow', undefined, undefined]);
    expect(verdictOf([{ action: 'deny', port: 81, protocol: 'tcp' }])[0]).toBe('allow');
  });

  test('with the higher priority decide; between equals deny wins, whatever comes first', () => {
    const all = { action: 'deny' };
    const http = { protocol: 'tcp', port: 80, priority: 10 };
    expect(verdictOf([all, http])).toEqual(['allow', undefined, '1']);
    expect(verdictOf([http, all])).toEqual(['allow', undefined, '0']);
    expect(verdictOf([{ ...http, priority: 1 }, all])).toEqual(['deny', undefined, '1']);
    expect(verdictOf([all, { ...http, priority: 1 }])).toEqual(['deny', undefined, '0']);
  });

  test('of one priority that say the same: the first by name is named', () => {
    expect(verdictOf([{ ruleId: 'b' }, { ruleId: 'a' }, { ruleId: 'B' }])[2]).toBe('B');
  });

  test('of both ends have to allow', () => {
    const out = { policyName: 'extra', direction: 'out', action: 'deny' };
    expect(verdictOf([out, {}])).toEqual(['deny', '0', '1']);
    expect(verdictOf([{ ...out, policyName: 'base' }])).toEqual(['allow', undefined, undefined]);
  });

  test('without a group are for who is outside, those with a group are not', () => {
    const outside = { client: { address: '192.0.2.7', group: '' } };
    expect(verdictOf([{ action: 'deny' }], outside)[0]).toBe('deny');
    expect(verdictOf([{ action: 'deny', fromEndpointGroup: 'app' }], outside)[0]).toBe('allow');
  });

  test('of a network mean both families, and what has no other address in it', () => {
    const rule = { action: 'deny', fromNetwork: 'blue', fromIpAddress: '10.0.1.0/24' };
    const from = (address: string, network: string) =>
      verdictOf([rule], {
        client: { address, group: '' },
        server: { address: address.includes(':') ? 'fe80::2' : '10.0.1.5', group: 'web' },
        network,
      })[0];
    expect(from('10.0.1.3', '')).toBe('deny');
    expect(from('fd01:0:0:1::3', '')).toBe('deny');
    expect(from('fe80::1', 'blue')).toBe('deny');
    expect(from('fe80::1', 'red')).toBe('allow');
    expect(from('fd01:0:0:2::3', '')).toBe('allow');
  });

  test('that name a group which is gone fit nothing', () => {
    expect(compileRule({ ...plainRule, fromEndpointGroup: 'gone' }, names)).toBeUndefined();
  });

  test.each([
    ['10.1.2.3', ['10.1.2.3/32']],
    ['10.1.2.3/24', ['10.1.2.0/24']],
    ['fd00::1', ['fd00::1/128']],
    ['10.1.2.5-10', ['10.1.2.5/32', '10.1.2.6/31', '10.1.2.8/31', '10.1.2.10/32']],
    ['10.1.2.0-255', ['10.1.2.0/24']],
    ['10.1.2.255-255', ['10.1.2.255/32']],
  ])('%s is %j', (text, blocks) => {
    expect(ruleBlocks(text).map(formatCidr)).toEqual(blocks);
  });
});

test('compiled rules say what a plain reading of their texts says, and name the same rule', () => {
  let denied = 0;
  fc.assert(
    fc.property(drawnTenant, drawnConversation, (tenant, conversation) => {
      const { verdict, out, in: into } = judge(compiledOf(tenant), numbered(conversation));
      const wanted = {
        out: deciding(tenant, conversation, 'out'),
        in: deciding(tenant, conversation, 'in'),
      };
      const said = ({ verdict: says, rule }: typeof out) => ({
        verdict: says,
        rule: rule && `${rule.policy}/${rule.name}`,
      });
      expect({ out: said(out), in: said(into) }).toEqual(wanted);
      const isDenied = [wanted.out, wanted.in].some((each) => each.verdict === 'deny');
      expect(verdict).toBe(isDenied ? 'deny' : 'allow');
      denied += isDenied ? 1 : 0;
    }),
    { numRuns: 2_000 },
  );
  expect(denied).toBeGreaterThan(100);
});

test('the order in which rules are given does not matter', () => {
  fc.assert(
    fc.property(drawnTenant, drawnConversation, (tenant, conversation) => {
      const given = compiledOf(tenant);
      const turned = { ...given, rules: given.rules.toReversed() };
      expect(judge(turned, numbered(conversation))).toEqual(judge(given, numbered(conversation)));
    }),
  );
});

test('a range has its addresses and no others', () => {
  const last = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(last, last, last, (one, other, asked) => {
      const [from, to] = one < other ? [one, other] : [other, one];
      const { value } = parseAddress(`10.1.2.${asked}`);
      const held = ruleBlocks(`10.1.2.${from}-${to}`).filter(
        ({ base, prefixLength }) =>
          value >> BigInt(32 - prefixLength) === base >> BigInt(32 - prefixLength),
      );
      expect(held).toHaveLength(asked >= from && asked <= to ? 1 : 0);
    }),
  );
});
