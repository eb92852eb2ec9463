/**
 * A network of the hosts' kernels beside the underlay, for those who ask for one: members of a cluster that speak to each
 * other there wait for no switch in user space. Nothing else goes by it.
 */
import { labNames, type HostPlace } from '../place.ts';
import { cutCable, ipBatch, layCable } from './cable.ts';

const bridge = 'management';
const nic = 'mgmt0';
const portOf = ({ name }: HostPlace) => `${name}m`;

/** Where a host is reached on it: /24. */
export const managementAddressOf = ({ number }: HostPlace): string => `198.19.0.${number}`;

/** Gives the outside the bridge. */
export async function buildManagement(outside: string): Promise<void> {
  await ipBatch(outside, [
    `link add ${bridge} type bridge forward_delay 0`,
    `link set ${bridge} addrgenmode none`,
    `link set ${bridge} up`,
  ]);
}

/** Lays the cable to a host, and gives the host its address. */
export async function plugManagement(place: HostPlace): Promise<void> {
  const { outside } = labNames(place.prefix);
  const from = { namespace: outside, link: portOf(place) };
  await layCable({ from, to: { namespace: place.namespace, link: nic }, mtu: 1_500 });
  await ipBatch(outside, [`link set ${portOf(place)} master ${bridge}`]);
  await ipBatch(place.namespace, [`address add ${managementAddressOf(place)}/24 dev ${nic}`]);
}

/** Takes the cable away. */
export async function unplugManagement(place: HostPlace): Promise<void> {
  await cutCable({ namespace: labNames(place.prefix).outside, link: portOf(place) });
}
