/**
 * Which Docker networks an engine should have for the model, and what is to be done when it has others. Each data
 * network and each group of a tenant is one, under the name that Contiv gave it. Pure.
 */
import type { SiteNetwork, SiteNetworkName } from '../model/site.ts';
import { defaultTenant } from '../model/site.ts';
import type { Network } from '../model/network.ts';
import { sharedSpace } from './ipam/space.ts';

/** A group, as far as Docker has to know it. */
export interface ModelGroup {
  readonly tenant: string;
  readonly group: string;
  readonly network: string;
}

/** A Docker network that there should be. */
export interface WantedDockerNetwork {
  /** Docker's name for it. */
  readonly name: string;
  readonly site: SiteNetworkName;
  readonly group: string | undefined;
  readonly internal: boolean;
  readonly subnets: SiteNetwork['subnets'];
  /** What it is known by later; a network that was made anew has others. */
  readonly labels: Readonly<Record<string, string>>;
}

/** A Docker network that there is. */
export interface SeenDockerNetwork {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  /** Its driver is ours. */
  readonly isOurs: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

/** A network in the way of one that there should be. */
export interface ForeignDockerNetwork {
  readonly name: string;
  readonly id: string;
  readonly driver: string;
}

/** What is to be done, removals first. */
export interface DockerNetworkPlan {
  readonly remove: readonly SeenDockerNetwork[];
  readonly create: readonly WantedDockerNetwork[];
  /** Not ours to touch. */
  readonly foreign: readonly ForeignDockerNetwork[];
}

/** Says whose a Docker network is: removed when the model has it no more. */
export const followsLabel = 'fairlead.follows';
/** What that label has to say. */
export const followsModel = 'model';

/** Contiv's name: that of network or group, with the tenant behind unless it is the default one. */
export const dockerName = (name: string, tenant: string): string =>
  tenant === defaultTenant ? name : `${name}/${tenant}`;

/** The Docker networks of a model. Networks that Docker's own calls made are left to those who made them. */
export function wantedDockerNetworks(
  networks: readonly SiteNetwork[],
  groups: readonly ModelGroup[],
): readonly WantedDockerNetwork[] {
  const followed = new Map(
    networks.filter(isFollowed).map((one) => [sharedSpace(nameOf(one)), one] as const),
  );
  const ofGroups = groups.flatMap(({ tenant, group, network }) => {
    const one = followed.get(sharedSpace({ tenant, network }));
    return one === undefined ? [] : [wanted(one, group)];
  });
  return [...[...followed.values()].map((one) => wanted(one, undefined)), ...ofGroups];
}

const isFollowed = ({ createdBy, leaving, asked, swarm }: SiteNetwork): boolean =>
  createdBy === 'operator' && swarm !== true && leaving !== true && asked?.nwType !== 'infra';

const nameOf = ({ tenant, name }: SiteNetwork): SiteNetworkName => ({ tenant, network: name });

function wanted(network: SiteNetwork, group: string | undefined): WantedDockerNetwork {
  const { tenant, name, number, internal, subnets } = network;
  return {
    name: dockerName(group ?? name, tenant),
    site: nameOf(network),
    group,
    internal,
    subnets,
    labels: {
      [followsLabel]: followsModel,
      'fairlead.network': sharedSpace(nameOf(network)),
      'fairlead.number': String(number),
      ...(group === undefined ? {} : { 'fairlead.group': group }),
    },
  };
}

/**
 * What is to be done. `parts` are the Docker networks that this host knows, by their ids: one with our labels that
 * it does not know came from elsewhere, and is made again.
 */
export function planDockerNetworks(
  wantedNetworks: readonly WantedDockerNetwork[],
  seen: readonly SeenDockerNetwork[],
  parts: ReadonlyMap<string, Pick<Network, 'site' | 'group'>>,
): DockerNetworkPlan {
  const byName = new Map<string, SeenDockerNetwork[]>();
  for (const one of seen) {
    const same = byName.get(one.name);
    if (same === undefined) byName.set(one.name, [one]);
    else same.push(one);
  }
  const kept = new Set<string>();
  const create: WantedDockerNetwork[] = [];
  const foreign: ForeignDockerNetwork[] = [];
  for (const want of wantedNetworks) {
    const same = byName.get(want.name) ?? [];
    const fit = same.find((one) => isFit(one, want, parts.get(one.id)));
    const others = same.filter((one) => !isFollowing(one));
    if (fit !== undefined) kept.add(fit.id);
    else if (others.length === 0) create.push(want);
    else foreign.push(...others.map(({ name, id, driver }) => ({ name, id, driver })));
  }
  const remove = seen.filter((one) => isFollowing(one) && !kept.has(one.id));
  return { remove, create, foreign };
}

/** Made by us for the model. */
const isFollowing = ({ isOurs, labels }: SeenDockerNetwork): boolean =>
  isOurs && labels[followsLabel] === followsModel;

/** It is what is wanted: made by us, or by somebody else for the same network and group. */
function isFit(
  seen: SeenDockerNetwork,
  want: WantedDockerNetwork,
  part: Pick<Network, 'site' | 'group'> | undefined,
): boolean {
  if (!seen.isOurs || part?.site === undefined) return false;
  if (sharedSpace(part.site) !== sharedSpace(want.site) || part.group !== want.group) return false;
  if (!isFollowing(seen)) return true;
  return Object.entries(want.labels).every(([key, value]) => seen.labels[key] === value);
}
