/** Endpoint group: containers of a network that policies and profiles are for. */
import {
  groupContractsMax,
  groupPoliciesMax,
  groupSelectorsMax,
  objectTagCharactersMax,
  serviceSelectorCharactersMax,
  siteNameCharactersMax,
} from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';
import { policySettings } from './policy-settings.ts';

/** The description of endpoint groups. */
export const endpointGroupKind = describeKind({
  name: 'endpointGroup',
  plural: 'endpointGroups',
  doc: 'An endpoint group is a part of the containers of one network, with policies and a profile.',
  key: ['tenantName', 'groupName'],
  access: 'all',
  fields: {
    tenantName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'tenant', missing: 'Tenant not found', linked: false },
      doc: 'The tenant whose group it is.',
    },
    groupName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      doc: 'Name of the group; no network of the tenant has it.',
    },
    networkName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      fixed: 'Cannot change network association after epg is created.',
      refers: { kind: 'network', missing: 'Network {name} not found', linked: true },
      doc: 'The network that its containers are attached to.',
    },
    ipPool: {
      type: 'text',
      format: 'ipv4Pool',
      charactersMax: 64,
      fixed: 'Cannot change IP pool after epg is created.',
      doc: 'Part of the subnet that only its containers get addresses from: 10.1.1.10-10.1.1.20.',
    },
    policies: {
      type: 'list',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      itemsMax: groupPoliciesMax,
      refers: { kind: 'policy', missing: 'Policy not found', linked: true },
      doc: 'Policies whose rules are for its containers.',
    },
    extContractsGrps: {
      type: 'list',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      itemsMax: groupContractsMax,
      refers: {
        kind: 'extContractsGroup',
        missing: 'External contracts group {name} not found',
        linked: true,
      },
      doc: 'Groups of contracts; kept for Contiv.',
    },
    netProfile: {
      type: 'text',
      format: 'anyName',
      charactersMax: siteNameCharactersMax,
      refers: { kind: 'netprofile', missing: 'netprofile not found', linked: true },
      doc: 'Profile that limits what its containers send.',
    },
    cfgdTag: {
      type: 'text',
      format: 'name',
      charactersMax: objectTagCharactersMax,
      contivLeavesOut: true,
      fixed: 'Cannot change group tag after epg is created.',
      doc: 'Name by which Docker networks refer to it; GROUP.TENANT when it is not given.',
    },
    selectors: {
      type: 'list',
      format: 'groupSelector',
      contivLeavesOut: true,
      charactersMax: serviceSelectorCharactersMax,
      itemsMax: groupSelectorsMax,
      doc: 'Labels, KEY=VALUE: running containers of its network that have all of them, and are attached to no group, are in it; `none` takes them back.',
    },
    ...policySettings,
  },
  linkSets: {
    ExtContractsGrps: { kind: 'extContractsGroup', named: ['extContractsGrps'] },
    MatchRules: { kind: 'rule', naming: ['fromEndpointGroup', 'toEndpointGroup'] },
    Policies: { kind: 'policy', named: ['policies'] },
  },
  links: {
    AppProfile: { kind: 'appProfile', naming: ['endpointGroups'] },
    NetProfile: { kind: 'netprofile', named: ['netProfile'] },
    Network: { kind: 'network', named: ['networkName'] },
    Tenant: { kind: 'tenant', named: ['tenantName'] },
  },
  oper: {
    allocatedIPAddresses: { type: 'text', doc: 'Addresses of its pool that are taken.' },
    availableIPAddresses: { type: 'text', doc: 'Addresses of its pool that are free.' },
    endpoints: { type: 'objects', doc: 'Its containers.' },
    externalPktTag: { type: 'whole', doc: 'VXLAN network identifier of its network.' },
    groupTag: { type: 'text', doc: 'Name by which Docker networks refer to it.' },
    numEndpoints: { type: 'whole', doc: 'Its containers.' },
    pktTag: { type: 'whole', doc: 'VLAN tag, or number, of its network.' },
  },
  columns: [
    { head: 'Tenant', field: 'tenantName' },
    { head: 'Group', field: 'groupName' },
    { head: 'Network', field: 'networkName' },
    { head: 'IP Pool', field: 'ipPool' },
    { head: 'CfgdTag', field: 'cfgdTag' },
    { head: 'Policies', field: 'policies' },
    { head: 'Network profile', field: 'netProfile' },
  ],
});

/** The configuration of an endpoint group. */
export type EndpointGroupConfig = ConfigOf<typeof endpointGroupKind>;
