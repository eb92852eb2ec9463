/** Rule of a policy: which traffic into or out of a group's containers is allowed or denied. */
import { ruleAddressCharactersMax, rulePriorityMax, siteNameCharactersMax } from '../../limits.ts';
import { icmpTypeNames } from './icmp-types.ts';
import { describeKind, type ConfigOf } from './kind.ts';

/** The description of rules. */
export const ruleKind = describeKind({
  name: 'rule',
  plural: 'rules',
  doc: 'A rule allows or denies traffic into (`in`) or out of (`out`) the groups that have its policy.',
  key: ['tenantName', 'policyName', 'ruleId'],
  access: 'all',
  fields: {
    tenantName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'tenant', missing: 'Tenant not found', linked: false },
      doc: 'The tenant whose rule it is.',
    },
    policyName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'policy', missing: 'Policy not found', linked: false },
      doc: 'The policy that it is part of.',
    },
    ruleId: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      doc: 'Name of the rule within its policy.',
    },
    direction: {
      type: 'text',
      format: 'direction',
      charactersMax: 8,
      words: ['in', 'out'],
      required: true,
      doc: 'Into or out of the containers of the groups that have the policy.',
    },
    priority: {
      type: 'whole',
      min: 0,
      max: rulePriorityMax,
      default: 1,
      doc: 'Of rules that match, the one with the highest counts; 1 to 100.',
    },
    action: {
      type: 'text',
      format: 'action',
      charactersMax: 8,
      words: ['allow', 'deny'],
      required: true,
      doc: 'What happens to what matches.',
    },
    protocol: {
      type: 'text',
      format: 'protocol',
      charactersMax: 8,
      doc: '`tcp`, `udp`, `icmp`, an IP protocol number, or empty for all.',
    },
    port: {
      type: 'whole',
      min: 0,
      max: 65_535,
      doc: 'Destination port, for protocols that have ports; 0 for all.',
    },
    portLast: {
      type: 'whole',
      min: 0,
      max: 65_535,
      doc: 'The last of several destination ports, of which `port` is the first; 0 for `port` alone.',
    },
    icmpType: {
      type: 'text',
      format: 'icmpType',
      charactersMax: 16,
      words: icmpTypeNames,
      doc: 'With protocol `icmp`: what is asked, `echo` (ping), `timestamp` or `information`; empty for all.',
    },
    fromEndpointGroup: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      refers: {
        kind: 'endpointGroup',
        missing: 'endpoint group not found',
        linked: true,
        mayGo: true,
      },
      doc: 'Of a rule `in`: the group whose containers are the other side.',
    },
    toEndpointGroup: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      refers: {
        kind: 'endpointGroup',
        missing: 'endpoint group not found',
        linked: true,
        mayGo: true,
      },
      doc: 'Of a rule `out`: the group whose containers are the other side.',
    },
    fromNetwork: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      refers: { kind: 'network', missing: 'from Network not found', linked: false, mayGo: true },
      doc: 'Of a rule `in`: the network whose subnet is the other side, as it is when the rule is written.',
    },
    toNetwork: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      refers: { kind: 'network', missing: 'to Network not found', linked: false, mayGo: true },
      doc: 'Of a rule `out`: the network whose subnet is the other side, as it is when the rule is written.',
    },
    fromIpAddress: {
      type: 'text',
      format: 'ruleAddress',
      charactersMax: ruleAddressCharactersMax,
      doc: 'Of a rule `in`: the address, block or range of the other side.',
    },
    toIpAddress: {
      type: 'text',
      format: 'ruleAddress',
      charactersMax: ruleAddressCharactersMax,
      doc: 'Of a rule `out`: the address, block or range of the other side.',
    },
  },
  linkSets: { Policies: { kind: 'policy', named: ['policyName'] } },
  links: {
    MatchEndpointGroup: {
      kind: 'endpointGroup',
      named: ['fromEndpointGroup', 'toEndpointGroup'],
    },
  },
  oper: {},
  columns: [
    { head: 'Rule', field: 'ruleId' },
    { head: 'Priority', field: 'priority' },
    { head: 'From EndpointGroup', field: 'fromEndpointGroup' },
    { head: 'From Network', field: 'fromNetwork' },
    { head: 'From IpAddress', field: 'fromIpAddress' },
    { head: 'To EndpointGroup', field: 'toEndpointGroup' },
    { head: 'To Network', field: 'toNetwork' },
    { head: 'To IpAddress', field: 'toIpAddress' },
    { head: 'Protocol', field: 'protocol' },
    { head: 'Port', field: 'port' },
    { head: 'Last Port', field: 'portLast' },
    { head: 'ICMP Type', field: 'icmpType' },
    { head: 'Action', field: 'action' },
  ],
});

/** The configuration of a rule. */
export type RuleConfig = ConfigOf<typeof ruleKind>;
