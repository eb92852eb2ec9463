/**
 * Where each object lives in the store. The layout is the model's index: everything that one decision
 * must compare has a key of its own. Only this file, `site-keys.ts` and `objects/object-keys.ts`
 * build keys.
 *
 *     network/<network id>                    a Docker network of ours
 *     docker-engine                           identity of the engine that has our networks
 *     boot                                    which boot of the machine the endpoints are of
 *     tag/<4 digits>                          who has this VLAN tag on this host
 *     tag-cursor                              the tag given last, so that none is reused soon
 *     endpoint/<network id>/<endpoint id>     a container's attachment
 *     published-cursor                        the host's port that was published last, changed with every one
 *     mac/<network id>/<mac>                  who has this MAC in this network
 *     address/<network id>/<hex address>      who has this address in this network (I2)
 *     ipam/space/<space>                      guard, changed with every pool of the space
 *     ipam/pool/<space>/<cidr>                a pool
 *     ipam/address/<space>/<cidr>/<hex>       an address of a pool: held or released
 *
 *     shared-pool/<cidr>/<T:N>                what this host has to do with a pool of a shared network
 *     held/<T:N>/<cidr>/<hex>                 an address of such a pool that this host holds
 *
 * All of that is what one host keeps for itself, and lies below `host/<name>/` in the store. A key that
 * begins with `/` is the site's: hosts share it, and one transaction may change both kinds
 * (`../store/prefixed.ts`). `T` is a tenant's name, `N` a network's:
 *
 *     /tenant/<T>                             a tenant
 *     /network/<T>/<N>                        a shared network
 *     /subnet/<T>/<4 or 6>/<hex>              whose the subnet is that ends with this address
 *     /number/<tenant, network, node>/<n>     who has this number (fixed-width decimal)
 *     /vni/<n>  /vlan/<n or native>           which network has this VNI or VLAN tag
 *     /cursor/<tenant, network, …>            the number given last
 *     /node/<host>                            a host of the cluster
 *     /vtep/<hex address>                     which host's tunnel ends there
 *     /removal/<host>                         a host that is being removed, and writes nothing any more
 *     /hits/<host>/rule/<T>/<policy>/<nn>     how often some rules of a policy decided on a host
 *     /hits/<host>/default/<T>/<group>        the same of a default, of a group or of a network's rest
 *     /endpoint/<T>/<N>/<endpoint id>         an attachment, on whatever host
 *     /mac/<T>/<N>/<mac>  /address/<T>/<N>/<hex>   who has it in the network (I2)
 *     /use/<T>/<N>/<host>/<docker network id> a host that has the network
 *     /request/<T>/<N>/<cidr>/<host>          a host about to have it, that asked for its pool
 *     /ipam/…                                 as above, for pools of shared networks; their space is `T:N`
 *     /ipam/block/<T:N>/<cidr>/<hex>          which host chooses addresses in the block that begins there
 *     /swarm/space/… /swarm/pool/… /swarm/address/…   as above, for what a swarm's managers allocate
 *     /swarm/network/<docker network id>      the tenant of a swarm's network, or what of the model it is
 *     /swarm/place/<T>/<N>  /swarm/place/<T>/<N>/<group>   which network of a swarm that is
 *     /swarm/vip/<docker network id>/<hex>    which service of the swarm has that address
 *     /use/<T>/<N>/@swarm/<docker network id> a swarm that has an operator's network
 *     /object/… /guard/… /link/… /group-pool/… /contiv-tag/… /group-endpoint/…   see `objects/object-keys.ts`
 *
 * Addresses in keys are fixed-width hex (8 or 32 digits), so that key order is address order.
 */
import { globalSpace } from './pool.ts';
import { prefixRange, type KeyRange } from '../store/port.ts';

/** What the site's keys begin with, and no others. */
export const sitePrefix = '/';

/** Whether a key is the site's. */
export const isOfSite = (key: string): boolean => key.startsWith(sitePrefix);

/** What the keys of a host begin with in the store. */
export const hostPrefix = (hostName: string): string => `host/${hostName}/`;

/** Whether a key of the store belongs to some host. */
export const isOfSomeHost = (key: string): boolean => key.startsWith('host/');

/** Whether a key of the store (with its prefix) is a network or container of some host, or of all. */
export const isHostWork = (key: string): boolean =>
  /^(?:host\/[^/]+)?\/(?:network|endpoint)\//.test(key);

/** Everything that a host keeps for itself, seen through its part of the store. */
export const ownRange: Required<KeyRange> = { start: '!', end: '\x7f' };

/** Key of the engine's identity. */
export const dockerEngineKey = 'docker-engine';

/** Key of the boot that the endpoints are of. */
export const bootKey = 'boot';

/** Key of a network. */
export const networkKey = (networkId: string): string => `network/${networkId}`;
/** All networks. */
export const networkRange: Required<KeyRange> = prefixRange('network/');

/** Key of a VLAN tag's owner. */
export const tagKey = (tag: number): string => `tag/${String(tag).padStart(4, '0')}`;
/** All tags given. */
export const tagRange: Required<KeyRange> = prefixRange('tag/');

/** Key of the tag given last. */
export const tagCursorKey = 'tag-cursor';

/** Key of the host's port that was chosen last for a container's. */
export const publishedCursorKey = 'published-cursor';

/** Key of an endpoint. */
export const endpointKey = (networkId: string, endpointId: string): string =>
  `endpoint/${networkId}/${endpointId}`;
/** All endpoints. */
export const endpointRange: Required<KeyRange> = prefixRange('endpoint/');
/** All endpoints of a network. */
export const networkEndpointRange = (networkId: string): Required<KeyRange> =>
  prefixRange(`endpoint/${networkId}/`);

/** Key of a MAC's owner in a network. */
export const macKey = (networkId: string, mac: string): string => `mac/${networkId}/${mac}`;
/** All MACs of a network. */
export const macRange = (networkId: string): Required<KeyRange> => prefixRange(`mac/${networkId}/`);

/** Key of an address's owner in a network. */
export const addressKey = (networkId: string, hexAddress: string): string =>
  `address/${networkId}/${hexAddress}`;
/** All addresses of a network. */
export const addressRange = (networkId: string): Required<KeyRange> =>
  prefixRange(`address/${networkId}/`);

/** Where pools of a space are: those of shared networks (`T:N`) and of a swarm are the site's. */
function ipamPrefix(space: string): string {
  if (space.includes(':')) return '/ipam/';
  return space === globalSpace ? '/swarm/' : 'ipam/';
}

/** Key of a space's guard. */
export const spaceKey = (space: string): string => `${ipamPrefix(space)}space/${space}`;

/** Key of a pool. */
export const poolKey = (space: string, cidr: string): string =>
  `${ipamPrefix(space)}pool/${space}/${cidr}`;
/** All pools of this host. */
export const poolRange: Required<KeyRange> = prefixRange('ipam/pool/');
/** All pools of a space. */
export const spacePoolRange = (space: string): Required<KeyRange> =>
  prefixRange(`${ipamPrefix(space)}pool/${space}/`);

/** All pools of networks of a tenant. */
export const tenantPoolRange = (tenant: string): Required<KeyRange> =>
  prefixRange(`/ipam/pool/${tenant}:`);

/** Key of an address of a pool. */
export const poolAddressKey = (space: string, cidr: string, hexAddress: string): string =>
  `${ipamPrefix(space)}address/${space}/${cidr}/${hexAddress}`;
/** All addresses of a pool. */
export const poolAddressRange = (space: string, cidr: string): Required<KeyRange> =>
  prefixRange(`${ipamPrefix(space)}address/${space}/${cidr}/`);
/** All addresses of pools of networks of a tenant. */
export const tenantPoolAddressRange = (tenant: string): Required<KeyRange> =>
  prefixRange(`/ipam/address/${tenant}:`);

/** Key of whose a block of a shared pool is; the block begins with this address. */
export const poolBlockKey = (space: string, cidr: string, hexAddress: string): string =>
  `${ipamPrefix(space)}block/${space}/${cidr}/${hexAddress}`;
/** All blocks of a pool that hosts have. */
export const poolBlockRange = (space: string, cidr: string): Required<KeyRange> =>
  prefixRange(`${ipamPrefix(space)}block/${space}/${cidr}/`);

/** Key of what this host has to do with a pool of a shared network. */
export const sharedPoolKey = (space: string, cidr: string): string =>
  `shared-pool/${cidr}/${space}`;
/** All pools of shared networks that this host has to do with. */
export const sharedPoolRange: Required<KeyRange> = prefixRange('shared-pool/');
/** Those with this block. */
export const sharedPoolsOfBlock = (cidr: string): Required<KeyRange> =>
  prefixRange(`shared-pool/${cidr}/`);

/** Key of an address of a shared pool that this host holds. */
export const heldKey = (space: string, cidr: string, hexAddress: string): string =>
  `held/${space}/${cidr}/${hexAddress}`;
/** All addresses of shared pools that this host holds. */
export const heldRange: Required<KeyRange> = prefixRange('held/');
/** Those of one pool. */
export const poolHeldRange = (space: string, cidr: string): Required<KeyRange> =>
  prefixRange(`held/${space}/${cidr}/`);
