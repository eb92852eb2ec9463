/** The machines beside the hosts of a site of policies whose networks are VLANs. */
import type { MachineWish } from '../lab/site/plan.ts';
import {
  addressOf,
  gatewaysOf,
  machine,
  networkNumbers,
  networkOf,
  subnetsOf,
  tagOf,
  type Network,
  type NetworkForm,
} from './policy-cast.ts';

const networks = Object.keys(networkNumbers) as Network[];

/** With the length of the subnet of its family. */
const withLengths = (network: Network, addresses: readonly string[]): string[] =>
  addresses.map((address, at) => `${address}/${subnetsOf[network][at]?.split('/')[1]}`);

/** {@link machine}, and the router that is the gateway of networks that bridge. */
export function wireMachines({ mode }: NetworkForm): MachineWish[] {
  const own = networkOf(machine);
  const gateways = mode === 'bridge' ? gatewaysOf(own) : [];
  const one: MachineWish = {
    name: machine,
    links: [
      {
        vlan: tagOf(own),
        addresses: withLengths(own, [addressOf(machine, 4), addressOf(machine, 6)]),
      },
    ],
    routes: gateways.map((via) => ({ to: 'default', via })),
  };
  if (mode !== 'bridge') return [one];
  const links = networks.map((network) => ({
    vlan: tagOf(network),
    addresses: withLengths(network, gatewaysOf(network)),
  }));
  return [one, { name: 'router', forwards: true, links }];
}
