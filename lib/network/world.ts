/**
 * What the pipeline is made from: the part of the cluster that concerns one host, as plain data. Texts are
 * canonical. Knows nothing of Docker, the store or Open vSwitch; who builds a world decides what belongs to
 * it, and the pipeline makes flows of all that is in it.
 */
import type { Cidr, IpAddress, IpFamily } from '../ip/ip.ts';
import type { PublishedProtocol } from '../model/published.ts';
import type { CompiledRule } from '../policy/compile.ts';
import type { Stance } from '../policy/stance.ts';
import type { Affinity, ServiceCheck, ServicePort } from '../services/service.ts';

/** How the frames of a network travel between hosts. */
export type Encapsulation =
  /** Not at all: the network is on this host only. */
  | { readonly kind: 'none' }
  /** VXLAN (RFC 7348) with this network identifier, 1 to 16 777 215. */
  | { readonly kind: 'vxlan'; readonly vni: number }
  /** An IEEE 802.1Q tag on the uplink, 1 to 4094, or untagged. */
  | { readonly kind: 'vlan'; readonly tag: number | 'native' };

/** One subnet of a network. */
export interface SegmentSubnet {
  readonly cidr: Cidr;
  /** Whom its endpoints send to what is elsewhere. */
  readonly gateway: IpAddress | undefined;
}

/** A network, as this host has to forward it. */
export interface Segment {
  /** Unique; never used for another network. */
  readonly id: string;
  /** What stands for it in registers, 1 to 2^32 - 1; unique in this host. */
  readonly number: number;
  /** The tenant's number, 1 to `domainMax`: what is in one is routed, what is in two never meets. */
  readonly domain: number;
  readonly encapsulation: Encapsulation;
  readonly subnets: readonly SegmentSubnet[];
  /** Whether the gateways are ours, on every host at once; otherwise they are somebody's on the wire. */
  readonly routed: boolean;
  /** Who answers when an endpoint asks for the MAC of an address: flows that know, or the one asked for. */
  readonly neighbours: 'answered' | 'asked';
  /** Largest packet, bytes. */
  readonly mtu: number;
  /** Whether its endpoints reach what is outside, by the host's own address. */
  readonly outside: boolean;
  /** Whether the host itself reaches its endpoints by their addresses: nobody else has these then. */
  readonly reached: boolean;
}

/** What a local and a remote endpoint have in common. */
interface EndpointBase {
  /** Unique in the cluster. */
  readonly id: string;
  readonly segmentId: string;
  /** Lower case, colons. */
  readonly mac: string;
  readonly ipv4: IpAddress | undefined;
  readonly ipv6: IpAddress | undefined;
  /** The number of the group that it is in. */
  readonly group?: number | undefined;
}

/** How much may pass: kilobits a second, and kilobits at once above that. */
export interface RateLimit {
  readonly rate: number;
  readonly burst: number;
}

/** What is done with what an endpoint sends, or with what it gets. */
export interface Way {
  readonly limit: RateLimit | undefined;
  /** The differentiated services code point that it is marked with (RFC 2474), 1 to 63. */
  readonly dscp: number | undefined;
}

/** How much an endpoint may send and get, and how that is marked. */
export interface TrafficProfile {
  /** The key of the network profile that says so, for people. */
  readonly key: string;
  /** What it sends. */
  readonly out: Way | undefined;
  /** What it gets. */
  readonly in: Way | undefined;
  /** The number of the group whose endpoints on this host have the limits together; else each for itself. */
  readonly sharedBy: number | undefined;
}

/** A port of a container that a port of its host leads to. */
export interface OpenPort {
  readonly family: IpFamily;
  readonly protocol: PublishedProtocol;
  readonly port: number;
}

/** An attachment of a container on this host. */
export interface LocalEndpoint extends EndpointBase {
  readonly profile?: TrafficProfile | undefined;
  /** OpenFlow port, `endpointPortMin` or more. */
  readonly port: number;
  /** What others refuse to hear from a container unless they asked for it. */
  readonly serves: { readonly dhcp: boolean; readonly routerAdvertisements: boolean };
  /** Each once; undefined for none. */
  readonly published?: readonly OpenPort[] | undefined;
}

/** An attachment of a container on another host. */
export interface RemoteEndpoint extends EndpointBase {
  /** The host, a key of `peers`. */
  readonly peer: string;
}

/** Another host. */
export interface Peer {
  readonly name: string;
  /** Stands for it in registers, 1 to 65 535; unique in the cluster. */
  readonly number: number;
  /** Its tunnel endpoint, and the addresses it may send from. */
  readonly vtep: IpAddress;
}

/** The way out of tenants on this host. */
export interface Outside {
  /** One of each family that there is a way out for; known to this host only. */
  readonly blocks: readonly Cidr[];
  /** UDP port of VXLAN: nobody inside may speak to it. */
  readonly vxlanPort: number;
}

/** A port of the bridge to the wire. */
export interface Uplink {
  readonly name: string;
  /** OpenFlow port. */
  readonly port: number;
}

/** A group, for the policies that it has. */
export interface PolicyGroup {
  /** 1 to 65 535, or that of who is in a network and in no group (`bareGroupOf`); unique in the cluster. */
  readonly number: number;
  /** The tenant's number. */
  readonly domain: number;
  /** The names of its policies, which are the tenant's. */
  readonly policies: readonly string[];
  /** What is done where no rule fits, and with what is denied; Contiv's way without. */
  readonly stance?: Stance | undefined;
}

/** A rule of a tenant's policy. Policy and name together are unique in the tenant. */
export interface PolicyRule extends CompiledRule {
  /** The tenant's number. */
  readonly domain: number;
}

/** A container behind a service, wherever it is. */
export interface ServiceBackend {
  readonly endpointId: string;
  /** The host that it is on. */
  readonly host: string;
  /** A network of the service's tenant. */
  readonly segmentId: string;
  readonly mac: string;
  readonly ipv4: IpAddress | undefined;
  readonly ipv6: IpAddress | undefined;
  /** Gets new connections; otherwise it keeps those that it has. */
  readonly isReady: boolean;
  /** What its host has told of the service's check; undefined where it is not checked. */
  readonly check?: 'passed' | 'failed' | undefined;
}

/** One address of a tenant in front of several containers. */
export interface Service {
  /** Unique in the cluster. */
  readonly id: string;
  /** The network that its addresses are of. */
  readonly segmentId: string;
  /** At most one of each family; no container has them. */
  readonly addresses: readonly IpAddress[];
  /** Protocol and port together are unique. */
  readonly ports: readonly ServicePort[];
  /** Every port of TCP, UDP and SCTP leads to the same of a container; then `ports` and `earlierPorts` are empty. */
  readonly allPorts?: true | undefined;
  /** What it had before, none of `ports`: open connections go on with them. */
  readonly earlierPorts: readonly ServicePort[];
  readonly affinity: Affinity;
  /** How its containers are checked, each by its host. */
  readonly check?: ServiceCheck | undefined;
  /** In an order that is the same on all hosts; `serviceBackendsMax` are ready at most. */
  readonly backends: readonly ServiceBackend[];
}
