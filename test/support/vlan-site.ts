/** A site with VLANs: plain machines on some, a router between two, and containers on all of them on every host. */
import type { LabHost } from '../lab/host.ts';
import type { MachineWish } from '../lab/site/plan.ts';
import type { Vantage } from '../lab/traffic/instrument.ts';
import { containerOf } from '../lab/traffic/vantages.ts';
import type { LabSite } from './lab-site.ts';
import { createShared, dockerNameOf, runContainer } from './shared-networks.ts';

/** A VLAN of the site; `net` is what tells its addresses from others. */
export interface SiteVlan {
  readonly name: string;
  readonly tag: number | 'native';
  readonly net: number;
  /** More `-o key=value` of its network. */
  readonly options?: readonly string[];
}

/** The addresses of station `n` of a VLAN. */
export const addressesIn = ({ net }: Pick<SiteVlan, 'net'>, n: number) =>
  [`10.61.${net}.${n}`, `fd61:${net}::${n}`] as const;

/** The last station is the gateway: a machine, or nobody where routing is done on every host. */
export const gatewayStation = 254;

const withLength = (addresses: readonly string[]): string[] =>
  addresses.map((each) => `${each}/${each.includes(':') ? 64 : 24}`);

/** A machine on VLANs: station 1 of each, or their gateway. */
export function machineOn(
  name: string,
  vlans: readonly SiteVlan[],
  { forwards = false, via }: { readonly forwards?: boolean; readonly via?: SiteVlan } = {},
): MachineWish {
  return {
    name,
    forwards,
    links: vlans.map((vlan) => ({
      vlan: vlan.tag === 'native' ? 0 : vlan.tag,
      addresses: withLength(addressesIn(vlan, forwards ? gatewayStation : 1)),
    })),
    routes:
      via === undefined
        ? []
        : addressesIn(via, gatewayStation).map((gateway) => ({ to: 'default', via: gateway })),
  };
}

/** The network of a VLAN, with the same words on each host. */
export async function createVlan(
  hosts: readonly LabHost[],
  vlan: SiteVlan,
  tenant = 'blue',
): Promise<void> {
  const [gateway4, gateway6] = addressesIn(vlan, gatewayStation);
  await createShared(hosts, {
    name: vlan.name,
    tenant,
    subnets: [
      [`10.61.${vlan.net}.0/24`, gateway4],
      [`fd61:${vlan.net}::/64`, gateway6],
    ],
    options: ['encap=vlan', `pkt-tag=${vlan.tag}`, ...(vlan.options ?? [])],
  });
}

/** Station of the container of a VLAN on a host: 11 on the first. */
export const stationOf = (host: LabHost): number => 10 + host.place.number;

/** Containers of these VLANs on every host, as `NAME-HOST`. */
export async function runOnAll(
  { hosts }: LabSite,
  vlans: readonly SiteVlan[],
): Promise<(name: string) => Vantage> {
  const found = new Map<string, Vantage>();
  await Promise.all(
    hosts.map(async (host) => {
      for (const vlan of vlans) {
        const name = `${vlan.name}-${host.name}`;
        const [ipv4, ipv6] = addressesIn(vlan, stationOf(host));
        const network = dockerNameOf({ name: vlan.name, tenant: 'blue' });
        await runContainer(host, { name, network, options: ['--ip', ipv4, '--ip6', ipv6] });
        found.set(name, await containerOf(host, name));
      }
    }),
  );
  return (name) => {
    const one = found.get(name);
    if (one === undefined) throw new Error(`no container ${name}`);
    return one;
  };
}
