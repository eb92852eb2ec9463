/** Network profile: how much the containers of a group may send and get, and how it is marked. */
import { limitBurstMin, dscpMax, netprofileBurstMax, siteNameCharactersMax } from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';

/** The description of network profiles. */
export const netprofileKind = describeKind({
  name: 'netprofile',
  plural: 'netprofiles',
  doc: 'A network profile limits what the containers of a group send and get, and marks it.',
  key: ['tenantName', 'profileName'],
  access: 'all',
  fields: {
    tenantName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'tenant', missing: 'Tenant not found', linked: false },
      doc: 'The tenant whose profile it is.',
    },
    profileName: {
      type: 'text',
      format: 'anyName',
      charactersMax: siteNameCharactersMax,
      required: true,
      doc: 'Name of the profile.',
    },
    bandwidth: {
      type: 'text',
      format: 'bandwidth',
      charactersMax: 32,
      doc: 'Most that a container sends, in bits each second: 20mbps. Empty for no limit.',
    },
    bandwidthIn: {
      type: 'text',
      contivLeavesOut: true,
      format: 'bandwidth',
      charactersMax: 32,
      doc: 'Most that a container gets, in bits each second. Empty for no limit.',
    },
    DSCP: {
      type: 'whole',
      min: 0,
      max: dscpMax,
      doc: 'Differentiated services code point that what it sends is marked with; 0 for none.',
    },
    DSCPIn: {
      type: 'whole',
      contivLeavesOut: true,
      min: 0,
      max: dscpMax,
      doc: 'Differentiated services code point that what it gets is marked with; 0 for none.',
    },
    burst: {
      type: 'whole',
      min: 0,
      max: netprofileBurstMax,
      doc: `Kilobytes that may be sent at once above the bandwidth, at least ${limitBurstMin}; 0 for what it gives in a second.`,
    },
    burstIn: {
      type: 'whole',
      contivLeavesOut: true,
      min: 0,
      max: netprofileBurstMax,
      doc: `Kilobytes that it may get at once above its bandwidth, at least ${limitBurstMin}; 0 for what it gives in a second.`,
    },
    sharing: {
      type: 'text',
      contivLeavesOut: true,
      format: 'sharing',
      charactersMax: 16,
      doc: 'Who has each bandwidth: each endpoint for itself, or all of a group on one host together.',
    },
  },
  linkSets: { EndpointGroups: { kind: 'endpointGroup', naming: ['netProfile'] } },
  links: { Tenant: { kind: 'tenant', named: ['tenantName'] } },
  oper: {
    enforced: {
      type: 'texts',
      doc: 'What the switch of the host that answers does about it, for each of its endpoints with this profile.',
    },
  },
  columns: [
    { head: 'Name', field: 'profileName' },
    { head: 'Tenant', field: 'tenantName' },
    { head: 'Bandwidth', field: 'bandwidth' },
    { head: 'DSCP', field: 'DSCP' },
    { head: 'burst size', field: 'burst' },
  ],
});

/** The configuration of a network profile. */
export type NetprofileConfig = ConfigOf<typeof netprofileKind>;
