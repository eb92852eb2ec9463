/** Endpoint: a container's attachment. Docker makes them; they can be looked at only. */
import { describeKind } from './kind.ts';

/** The description of endpoints. */
export const endpointKind = describeKind({
  name: 'endpoint',
  plural: 'endpoints',
  doc: 'An attachment of a container to a network, found by its id or by the container’s id or name.',
  key: [],
  access: 'inspect',
  fields: {},
  linkSets: {},
  links: {},
  oper: {
    bandwidth: {
      type: 'texts',
      doc: 'What its host’s switch does about its bandwidth; said by that host, of one with a profile.',
    },
    containerID: { type: 'text', doc: 'Docker’s id of the container.' },
    containerName: { type: 'text', doc: 'Docker’s name of the container, with a slash before it.' },
    endpointGroupId: { type: 'whole', doc: 'Number of its group.' },
    endpointGroupKey: { type: 'text', doc: 'Its group: GROUP:TENANT.' },
    endpointID: { type: 'text', doc: 'Docker’s id of the attachment.' },
    homingHost: { type: 'text', doc: 'The host that it is on.' },
    intfName: { type: 'text', doc: 'Name of its link.' },
    ipAddress: {
      type: 'texts',
      doc: 'IPv4 and IPv6 address; empty for a family that it has none of.',
    },
    labels: { type: 'text', doc: 'Labels of the container.' },
    macAddress: { type: 'text', doc: 'Its MAC address.' },
    network: { type: 'text', doc: 'Its network: NETWORK.TENANT.' },
    providerState: {
      type: 'text',
      doc: 'Behind a service: whether it is ready, failing, stopping or waiting.',
    },
    serviceName: { type: 'text', doc: 'Name of its group.' },
    virtualPort: { type: 'text', doc: 'Name of its port on the bridge.' },
    vtepIP: { type: 'text', doc: 'Address by which other hosts reach it.' },
  },
  columns: [
    { head: 'Container', field: 'containerName' },
    { head: 'Network', field: 'network' },
    { head: 'Group', field: 'serviceName' },
    { head: 'Addresses', field: 'ipAddress' },
    { head: 'Host', field: 'homingHost' },
  ],
});
