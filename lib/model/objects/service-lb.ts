/** Service: one address in front of the containers that have certain labels. */
import {
  checkFailuresDefault,
  checkFailuresMax,
  checkIntervalSecondsDefault,
  checkIntervalSecondsMax,
  checkTimeoutSecondsDefault,
  checkTimeoutSecondsMax,
  serviceNameCharactersMax,
  servicePortsMax,
  serviceSelectorCharactersMax,
  serviceSelectorsMax,
  siteNameCharactersMax,
} from '../../limits.ts';
import { describeKind, type ConfigOf } from './kind.ts';

/** The description of services. */
export const serviceLbKind = describeKind({
  name: 'serviceLB',
  plural: 'serviceLBs',
  doc: 'A service has an address of a network, one of each family, behind which are the containers with certain labels.',
  key: ['tenantName', 'serviceName'],
  access: 'all',
  fields: {
    tenantName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'tenant', missing: 'Tenant {name} not found', linked: false },
      doc: 'The tenant whose service it is.',
    },
    serviceName: {
      type: 'text',
      format: 'name',
      charactersMax: serviceNameCharactersMax,
      required: true,
      doc: 'Name of the service.',
    },
    networkName: {
      type: 'text',
      format: 'siteName',
      charactersMax: siteNameCharactersMax,
      required: true,
      refers: { kind: 'network', missing: 'Network {name} not found', linked: true },
      doc: 'The network that its address is of.',
    },
    selectors: {
      type: 'list',
      format: 'checkedLater',
      charactersMax: serviceSelectorCharactersMax,
      itemsMax: serviceSelectorsMax,
      doc: 'Labels that the containers behind it have, all of them: KEY=VALUE.',
    },
    ports: {
      type: 'list',
      format: 'checkedLater',
      charactersMax: 32,
      itemsMax: servicePortsMax,
      doc: 'Its ports, those of the containers, and the protocol: 80:8080:TCP.',
    },
    ipAddress: {
      type: 'text',
      format: 'ipv4',
      charactersMax: 64,
      doc: 'Its address; a free one of the network when it is not given.',
    },
    ipv6Address: {
      type: 'text',
      format: 'ipv6',
      charactersMax: 64,
      doc: 'Its IPv6 address, in a network with an IPv6 subnet; a free one when it is not given.',
    },
    affinity: {
      type: 'text',
      contivLeavesOut: true,
      format: 'affinity',
      charactersMax: 16,
      words: ['connection', 'client'],
      doc: 'Who stays with one container: each connection, which is so without, or all those of a client.',
    },
    check: {
      type: 'text',
      contivLeavesOut: true,
      format: 'check',
      charactersMax: 16,
      words: ['tcp'],
      doc: 'How hosts check their containers behind it: tcp asks for a connection to each of its TCP ports.',
    },
    checkInterval: {
      type: 'whole',
      contivLeavesOut: true,
      min: 0,
      max: checkIntervalSecondsMax,
      doc: `Seconds from one check to the next; a check that does not say has ${checkIntervalSecondsDefault}.`,
    },
    checkTimeout: {
      type: 'whole',
      contivLeavesOut: true,
      min: 0,
      max: checkTimeoutSecondsMax,
      doc: `Seconds that an answer may take, not more than from one check to the next; a check that does not say has ${checkTimeoutSecondsDefault}.`,
    },
    checkFailures: {
      type: 'whole',
      contivLeavesOut: true,
      min: 0,
      max: checkFailuresMax,
      doc: `Checks that fail one after the other until a container gets nothing new; a check that does not say has ${checkFailuresDefault}.`,
    },
  },
  linkSets: {},
  links: {
    Network: { kind: 'network', named: ['networkName'] },
    Tenant: { kind: 'tenant', named: ['tenantName'] },
  },
  oper: {
    numProviders: { type: 'whole', doc: 'Containers behind it.' },
    providers: { type: 'objects', doc: 'The containers behind it.' },
    serviceVip: { type: 'text', doc: 'Its address.' },
    serviceVip6: { type: 'text', doc: 'Its IPv6 address.' },
  },
  columns: [
    { head: 'ServiceName', field: 'serviceName' },
    { head: 'Tenant', field: 'tenantName' },
    { head: 'Network', field: 'networkName' },
    { head: 'Selectors', field: 'selectors' },
  ],
});

/** The configuration of a service. */
export type ServiceLbConfig = ConfigOf<typeof serviceLbKind>;

/** What a service asked for before, as it was written. */
export type EarlierService = Pick<ServiceLbConfig, 'selectors' | 'ports'>;
