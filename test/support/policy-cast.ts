/** Who is at a site of policies: a tenant, its networks and groups, containers of several hosts, and a machine on the wire. */

/** The tenant. */
export const tenant = 'blue';
/** Groups, and the networks that they are of; `free` are containers of a network and of no group. */
export const groups = { front: 'web', back: 'web', data: 'db' } as const;
/** A group. */
export type Group = keyof typeof groups;
/** Networks, with what tells their addresses from others: also the tag of a VLAN, ten times that. */
export const networkNumbers = { web: 1, db: 2 } as const;
/** A network. */
export type Network = keyof typeof networkNumbers;
/** The subnets of the networks. */
export const subnetsOf: Record<Network, readonly string[]> = {
  web: ['10.80.1.0/24', 'fd80:1::/64'],
  db: ['10.80.2.0/24', 'fd80:2::/64'],
};
/** The gateways of a network, ours or a router on the wire. */
export const gatewaysOf = (network: Network): readonly [v4: string, v6: string] => {
  const n = networkNumbers[network];
  return [`10.80.${n}.254`, `fd80:${n}::fe`];
};
/** The VLAN of a network. */
export const tagOf = (network: Network): number => networkNumbers[network] * 10;
/** The containers of each host. The digits of two in one network differ. */
export const containers = {
  front1: 1,
  back2: 1,
  free3: 1,
  data1: 1,
  front4: 2,
  back5: 2,
  data2: 2,
  back6: 3,
  free7: 3,
} as const;
/** A container. */
export type Container = keyof typeof containers;
/** A machine on the VLAN of `web`, beside the hosts. */
export const machine = 'wire9';
/** Somebody who speaks. */
export type Name = Container | typeof machine;
/** The number of somebody's host; 0 for who is on none. */
export const hostNumberOf = (name: Name): number => (name === machine ? 0 : containers[name]);

const kindOf = (name: Name): string => name.slice(0, -1);
/** The group of somebody; empty for none. */
export const groupOf = (name: Name): Group | '' =>
  name === machine || kindOf(name) === 'free' ? '' : (kindOf(name) as Group);
/** The network of somebody. */
export const networkOf = (name: Name): Network => {
  const group = groupOf(name);
  return group === '' ? 'web' : groups[group];
};
/** Somebody's address. */
export const addressOf = (name: Name, family: 4 | 6): string =>
  `${family === 4 ? '10.80.' : 'fd80:'}${networkNumbers[networkOf(name)]}${family === 4 ? '.' : '::'}${name.slice(-1)}`;

/** What the networks are of. */
export interface NetworkForm {
  readonly encap: 'vxlan' | 'vlan';
  /** Whether gateways are ours, or a router on the wire. */
  readonly mode: 'routing' | 'bridge';
}
