/** Networks that the hosts of a site share, and containers in them, made as an operator would. */
import type { LabHost } from '../lab/host.ts';
import { dockerOk, runCommand, type ContainerWish } from './docker.ts';

/** A shared network. */
export interface SharedNetworkWish {
  readonly name: string;
  readonly tenant: string;
  readonly subnets: readonly (readonly [cidr: string, gateway: string])[];
  /** More `-o key=value`. */
  readonly options?: readonly string[];
}

/** Docker's name of a shared network, on every host. */
export const dockerNameOf = ({
  name,
  tenant,
}: Pick<SharedNetworkWish, 'name' | 'tenant'>): string => `${name}.${tenant}`;

/** Makes a network on hosts, with the same command on each. */
export async function createShared(
  hosts: readonly LabHost[],
  { name, tenant, subnets, options = [] }: SharedNetworkWish,
): Promise<void> {
  const command = [
    ...['network', 'create', '-d', 'fairlead', '--ipam-driver', 'fairlead'],
    ...subnets.flatMap(([cidr, gateway]) => ['--subnet', cidr, '--gateway', gateway]),
    ...(subnets.some(([cidr]) => cidr.includes(':')) ? ['--ipv6'] : []),
    ...['-o', `network=${name}`, '-o', `tenant=${tenant}`],
    ...['--ipam-opt', `network=${name}`, '--ipam-opt', `tenant=${tenant}`],
    ...options.flatMap((option) => ['-o', option]),
    dockerNameOf({ name, tenant }),
  ];
  for (const host of hosts) await dockerOk(host, command);
}

/** Starts a container on a host. */
export async function runContainer(host: LabHost, wish: ContainerWish): Promise<void> {
  await dockerOk(host, runCommand(await host.image(), wish));
}
