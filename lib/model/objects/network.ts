/** Network: subnets of a tenant, and how their frames travel between hosts. */
import { objectTagCharactersMax, siteNameCharactersMax, vniMax } from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';
import { policySettings } from './policy-settings.ts';

const addressCharactersMax = 64;

/** The description of networks. */
export const networkKind = describeKind({
  name: 'network',
  plural: 'networks',
  doc: 'A network has one IPv4 subnet, perhaps an IPv6 subnet, and is on all hosts of the cluster.',
  key: ['tenantName', 'networkName'],
  access: 'all',
  frozen: 'Cant change network parameters after its created',
  fields: {
    tenantName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'tenant', missing: 'Tenant not found', linked: false },
      doc: 'The tenant whose network it is.',
    },
    networkName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      doc: 'Name of the network; no endpoint group of the tenant has it.',
    },
    nwType: {
      type: 'text',
      format: 'networkType',
      charactersMax: 16,
      words: ['data', 'infra'],
      default: 'data',
      doc: '`data` for containers, `infra` for the hosts themselves.',
    },
    encap: {
      type: 'text',
      format: 'encapsulation',
      charactersMax: 16,
      words: ['vlan', 'vxlan'],
      required: true,
      doc: 'How frames travel between hosts.',
    },
    pktTag: {
      type: 'whole',
      min: 0,
      max: vniMax,
      doc: 'VLAN tag or VXLAN network identifier; 0 lets Fairlead choose.',
    },
    subnet: {
      type: 'text',
      format: 'ipv4Subnet',
      charactersMax: addressCharactersMax,
      required: true,
      doc: 'IPv4 subnet, or a part of one that containers get addresses from: 10.1.2.10-10.1.2.99/24.',
    },
    gateway: {
      type: 'text',
      format: 'ipv4',
      charactersMax: addressCharactersMax,
      doc: 'IPv4 gateway, inside the subnet.',
    },
    ipv6Subnet: {
      type: 'text',
      format: 'ipv6Subnet',
      charactersMax: addressCharactersMax,
      doc: 'IPv6 subnet.',
    },
    ipv6Gateway: {
      type: 'text',
      format: 'ipv6',
      charactersMax: addressCharactersMax,
      doc: 'IPv6 gateway, inside the IPv6 subnet.',
    },
    cfgdTag: {
      type: 'text',
      format: 'name',
      charactersMax: objectTagCharactersMax,
      doc: 'Name by which Docker networks refer to it; NETWORK.TENANT when it is not given.',
    },
    hostAccess: {
      type: 'text',
      format: 'hostAccess',
      contivLeavesOut: true,
      charactersMax: 8,
      words: ['default', 'allow', 'deny'],
      doc: 'Whether hosts have routes to it through an infra network of its tenant: `allow`, `deny`, or `default`, which is `deny` but where the tenant has an infra network `contivh1`. May be changed at any time.',
    },
    ...policySettings,
  },
  linkSets: {
    EndpointGroups: { kind: 'endpointGroup', naming: ['networkName'] },
    Servicelbs: { kind: 'serviceLB', naming: ['networkName'] },
  },
  links: { Tenant: { kind: 'tenant', named: ['tenantName'] } },
  oper: {
    allocatedAddressesCount: {
      type: 'whole',
      doc: 'IPv4 addresses given to containers and services.',
    },
    allocatedIPAddresses: {
      type: 'text',
      doc: 'IPv4 addresses that are taken, the gateway and pools of groups among them.',
    },
    availableIPAddresses: { type: 'text', doc: 'IPv4 addresses that are free.' },
    endpoints: { type: 'objects', doc: 'The containers attached to it.' },
    externalPktTag: { type: 'whole', doc: 'VXLAN network identifier.' },
    networkTag: { type: 'text', doc: 'Name by which Docker networks refer to it.' },
    numEndpoints: { type: 'whole', doc: 'Containers attached to it.' },
    pktTag: { type: 'whole', doc: 'VLAN tag; of a VXLAN network, its number within the cluster.' },
  },
  columns: [
    { head: 'Tenant', field: 'tenantName' },
    { head: 'Network', field: 'networkName' },
    { head: 'Nw Type', field: 'nwType' },
    { head: 'Encap type', field: 'encap' },
    { head: 'Packet tag', field: 'pktTag' },
    { head: 'Subnet', field: 'subnet' },
    { head: 'Gateway', field: 'gateway' },
    { head: 'IPv6Subnet', field: 'ipv6Subnet' },
    { head: 'IPv6Gateway', field: 'ipv6Gateway' },
    { head: 'Cfgd Tag', field: 'cfgdTag' },
  ],
});

/** The configuration of a network. */
export type NetworkConfig = ConfigOf<typeof networkKind>;
