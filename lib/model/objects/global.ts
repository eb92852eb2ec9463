/** What holds for the whole cluster: how new networks forward, and which tags they get. */
import { describeKind, type ConfigOf } from './kind.ts';

/** The description of the cluster's settings. */
export const globalKind = describeKind({
  name: 'global',
  plural: 'globals',
  doc: 'Settings of the whole cluster; there is one. Networks keep what they were made with.',
  key: ['name'],
  single: 'global',
  access: 'all',
  fields: {
    name: {
      type: 'text',
      format: 'name',
      charactersMax: 64,
      required: true,
      doc: 'Always `global`.',
    },
    networkInfraType: {
      type: 'text',
      format: 'infraType',
      charactersMax: 16,
      words: ['default', 'aci', 'aci-opflex'],
      default: 'default',
      doc: 'Kept for Contiv; nothing uses it.',
    },
    fwdMode: {
      type: 'text',
      format: 'forwardMode',
      charactersMax: 16,
      words: ['bridge', 'routing'],
      doc: 'How new networks forward: `routing` with gateways of ours on every host, `bridge` with a router on the wire. Empty: VXLAN networks route, VLAN networks bridge.',
    },
    arpMode: {
      type: 'text',
      format: 'arpMode',
      charactersMax: 16,
      words: ['proxy', 'flood'],
      default: 'proxy',
      doc: 'Who answers ARP in new networks that bridge: flows that know, or the one who is asked.',
    },
    vlans: {
      type: 'text',
      format: 'vlanRange',
      charactersMax: 64,
      default: '1-4094',
      doc: 'VLAN tags that new networks may have: FIRST-LAST.',
    },
    vxlans: {
      type: 'text',
      format: 'vxlanRange',
      charactersMax: 64,
      default: '1-10000',
      doc: 'VXLAN network identifiers that new networks may have: FIRST-LAST, up to 16777215.',
    },
    pvtSubnet: {
      type: 'text',
      format: 'privateSubnet',
      charactersMax: 64,
      default: '172.19.0.0/16',
      doc: 'Subnet by which hosts and containers reach each other.',
    },
  },
  linkSets: {},
  links: {},
  oper: {
    clusterMode: { type: 'text', doc: 'Always `docker`.' },
    numNetworks: { type: 'whole', doc: 'Networks of all tenants.' },
    vlansInUse: { type: 'text', doc: 'VLAN tags that networks have.' },
    vxlansInUse: { type: 'text', doc: 'VXLAN network identifiers that networks have.' },
  },
  columns: [
    { head: 'Fabric mode', field: 'networkInfraType' },
    { head: 'Forward mode', field: 'fwdMode' },
    { head: 'ARP mode', field: 'arpMode' },
    { head: 'Vlan Range', field: 'vlans' },
    { head: 'Vxlan range', field: 'vxlans' },
    { head: 'Private subnet', field: 'pvtSubnet' },
  ],
});

/** The configuration of the cluster. */
export type GlobalConfig = ConfigOf<typeof globalKind>;
