/**
 * What all hosts of a cluster share: tenants, networks, the hosts themselves, and what is attached to the
 * networks. Keys of all of it begin with `/` (`keys.ts`). Names and ranges are Contiv's where it had them.
 */
import { z } from 'zod';
import { publishedPortSchema } from './published.ts';
import {
  domainNumberMax,
  linkMtuMax,
  linkMtuMin,
  nodeNumberMax,
  segmentNumberMax,
  siteNameCharactersMax,
  vlanTagMax,
  vlanTagMin,
  vniMax,
} from '../limits.ts';

const label = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const namePattern = new RegExp(`^${label}(?:\\.${label})*$`);

/** Name of a tenant or network: labels of letters, digits and hyphens, joined by dots. */
export const siteNameSchema = z.string().max(siteNameCharactersMax).regex(namePattern);

/** Whether a text may name a tenant or network. */
export const isSiteName = (text: string): boolean => siteNameSchema.safeParse(text).success;

/** The tenant that is there by itself. */
export const defaultTenant = 'default';

/** Name of a shared network. */
export interface SiteNetworkName {
  readonly tenant: string;
  readonly network: string;
}

/** What is done where no rule fits, and with what is denied; absent for what is inherited. */
export const settingsSchema = z.strictObject({
  defaultAction: z.enum(['allow', 'deny', 'deny-in', 'deny-out']).optional(),
  enforcement: z.enum(['enforce', 'audit']).optional(),
});

/** The tenant as stored. Put again with every subnet that comes, so that two that overlap cannot both. */
export const tenantSchema = z.strictObject({
  name: siteNameSchema,
  /** Keeps its addresses apart from those of others in flows; never another's. */
  number: z.int().min(1).max(domainNumberMax),
  /** As an operator gave it; nothing uses it. */
  defaultNetwork: siteNameSchema.optional(),
  ...settingsSchema.shape,
  /** How often an operator changed it; the row is put again for other reasons, too. */
  changes: z.int().min(1).optional(),
});

/** How frames of a network travel between hosts. */
const encapsulationSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('vxlan'), vni: z.int().min(1).max(vniMax) }),
  z.strictObject({
    kind: z.literal('vlan'),
    tag: z.union([z.int().min(vlanTagMin).max(vlanTagMax), z.literal('native')]),
  }),
]);

/** One subnet of a shared network. Texts are canonical. */
const siteSubnetSchema = z.strictObject({
  /** Network address with prefix length. */
  cidr: z.string(),
  /** Without length; absent when the network has none. */
  gateway: z.string().optional(),
});

/** What an operator asked for, as it was typed; absent for what was left to us. */
const askedSchema = z.strictObject({
  nwType: z.enum(['data', 'infra']),
  subnet: z.string(),
  pktTag: z.int().min(1).max(vniMax).optional(),
  ipv6Subnet: z.string().optional(),
  cfgdTag: z.string().optional(),
});

/** The shared network as stored. */
export const siteNetworkSchema = z.strictObject({
  tenant: siteNameSchema,
  name: siteNameSchema,
  /** What stands for it in flows; never another's. */
  number: z.int().min(1).max(segmentNumberMax),
  encapsulation: encapsulationSchema,
  subnets: z.array(siteSubnetSchema),
  /** Has no way to what is outside, and gets none from Docker. */
  internal: z.boolean(),
  /** Whether its endpoints reach what is outside by their host's address. */
  outside: z.boolean(),
  /** `routing`: the gateways are ours, on every host at once. `bridge`: they are somebody's on the wire. */
  mode: z.enum(['bridge', 'routing']),
  /** Who answers for an address: flows that know it, or the endpoint asked for. */
  arp: z.enum(['proxy', 'flood']),
  /** Largest packet in bytes, if somebody asked for one. */
  mtu: z.int().min(linkMtuMin).max(linkMtuMax).optional(),
  /** Other `-o key=value` options as given. */
  options: z.record(z.string(), z.string()),
  /** One that Docker's calls made goes with its last use; an operator's stays. */
  createdBy: z.enum(['docker', 'operator']),
  /** An operator removed it: nobody comes to it any more, and it goes with its last use. */
  leaving: z.literal(true).optional(),
  /** A swarm's: it stays until the swarm's managers free it, and its addresses are theirs to give. */
  swarm: z.literal(true).optional(),
  /** Of one that an operator made. */
  asked: askedSchema.optional(),
  /** Whether hosts have routes to it through an infra network of its tenant; absent where nobody said. */
  hostAccess: z.enum(['allow', 'deny']).optional(),
  ...settingsSchema.shape,
});

/** A host of the cluster as stored. */
export const nodeSchema = z.strictObject({
  name: z.string(),
  /** What stands for it in flows; never another's. */
  number: z.int().min(1).max(nodeNumberMax),
  /** Address of its tunnel endpoint, canonical. */
  vtep: z.string(),
  /** Largest packet that it can send to others, bytes. */
  pathMtu: z.int().min(linkMtuMin).max(linkMtuMax),
  /** Largest packet that its uplinks carry, bytes; absent without any. */
  uplinkMtu: z.int().min(linkMtuMin).max(linkMtuMax).optional(),
  /** Changes with every boot of the machine. */
  bootId: z.string(),
  /** Of Fairlead. */
  version: z.string(),
});

/** An attachment to a shared network, as others see it. */
export const siteEndpointSchema = z.strictObject({
  /** Docker's id, 64 hex digits. */
  id: z.string(),
  /** The host that it is on. */
  host: z.string(),
  /** Lower case, colons. */
  mac: z.string(),
  /** Addresses without length, canonical. */
  ipv4: z.string().optional(),
  ipv6: z.string().optional(),
  /** Docker's id of the network on that host. */
  dockerNetworkId: z.string(),
  /** The group of the network's tenant that it is a member of. */
  group: siteNameSchema.optional(),
  /** The link of the host itself in an infra network; absent for a container's. */
  link: z.string().optional(),
  /** What its host knows of the container. */
  container: z
    .strictObject({
      id: z.string(),
      /** With Docker's slash in front. */
      name: z.string(),
      /** Other names that it was given in this network. */
      aliases: z.array(z.string()).optional(),
      labels: z.record(z.string(), z.string()),
      /** Without, it is ready for what is new. */
      state: z.enum(['failing', 'stopping']).optional(),
      /** Services of the tenant whose checks it fails, by name. */
      failed: z.array(z.string()).optional(),
    })
    .optional(),
  /** Ports of its host that lead to it. */
  published: z.array(publishedPortSchema).optional(),
});

/** A network of a swarm: one of its own, named by Docker's id, or one that an operator made, or a group of that. */
export const swarmNetworkSchema = z.strictObject({
  tenant: siteNameSchema,
  network: siteNameSchema.optional(),
  group: siteNameSchema.optional(),
});
/** Which network of a swarm an operator's network or group is. */
export const swarmPlaceSchema = z.strictObject({
  /** Docker's id. */
  id: z.string(),
  /** Hex address that the managers gave last by free choice; the next search starts behind it. */
  cursor: z.string().optional(),
});
/** Which service of a swarm has an address. Marked so by its place: no operator made it. */
export const swarmVipSchema = z.strictObject({
  /** Where the swarm's network is in the model. */
  tenant: siteNameSchema,
  network: siteNameSchema,
  /** Docker's id of the service. */
  service: z.string(),
  /** Its name, for people. */
  name: z.string(),
  /** The service's version, as the swarm counts it, when this was written. */
  version: z.int().min(0),
});

/** A host that is being removed. */
export const removalSchema = z.strictObject({ host: z.string() });
/** The boot that a host's endpoints are of, as the kernel names it. */
export const bootSchema = z.strictObject({
  id: z.string(),
  /** The boot in which what this one had is being given back. */
  ending: z.string().optional(),
});

/** The boot that is noted. */
export type Boot = z.infer<typeof bootSchema>;

/** Who has a number, tag, VNI or tunnel address: the name of a tenant or host, or `tenant:network`. */
export const numberOwnerSchema = z.strictObject({ owner: z.string() });
/** The number given last; the next search starts behind it. */
export const numberCursorSchema = z.strictObject({ number: z.int() });
/** Whose a subnet of a tenant is. */
export const subnetOwnerSchema = z.strictObject({ network: siteNameSchema, cidr: z.string() });
/** Owner of a MAC or of an address within a shared network. */
export const siteOwnerSchema = z.strictObject({ endpointId: z.string(), host: z.string() });
/** A host's use of a shared network, or its request for a subnet of one. */
export const useSchema = z.strictObject({
  host: z.string(),
  /** Set when the host has it because the model has it, and gives it up when the model does. */
  follows: z.literal(true).optional(),
});

/** A tenant. */
export type Tenant = z.infer<typeof tenantSchema>;
/** A network of a swarm. */
export type SwarmNetwork = z.infer<typeof swarmNetworkSchema>;
/** Which network of a swarm an operator's network or group is. */
export type SwarmPlace = z.infer<typeof swarmPlaceSchema>;
/** Which service of a swarm has an address. */
export type SwarmVip = z.infer<typeof swarmVipSchema>;
/** Whose a subnet of a tenant is. */
export type SubnetOwner = z.infer<typeof subnetOwnerSchema>;
/** A network of a tenant, shared by all hosts. */
export type SiteNetwork = z.infer<typeof siteNetworkSchema>;
/** One subnet of a shared network. */
export type SiteSubnet = z.infer<typeof siteSubnetSchema>;
/** A host of the cluster. */
export type SiteNode = z.infer<typeof nodeSchema>;
/** What a host knows of a container. */
export type SiteContainer = NonNullable<z.infer<typeof siteEndpointSchema>['container']>;
/** An attachment to a shared network. */
export type SiteEndpoint = z.infer<typeof siteEndpointSchema>;
