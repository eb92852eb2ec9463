/**
 * Where each object lives in the store. The layout is the model's index: everything that one decision
 * must compare has a key of its own. Only this file builds keys.
 *
 *     network/<network id>                    a Docker network of ours
 *     docker-engine                           identity of the engine that has our networks
 *     tag/<4 digits>                          who has this VLAN tag on this host
 *     tag-cursor                              the tag given last, so that none is reused soon
 *     endpoint/<network id>/<endpoint id>     a container's attachment
 *     mac/<network id>/<mac>                  who has this MAC in this network
 *     address/<network id>/<hex address>      who has this address in this network (I2)
 *     ipam/space/<space>                      guard, changed with every pool of the space
 *     ipam/pool/<space>/<cidr>                a pool
 *     ipam/address/<space>/<cidr>/<hex>       an address of a pool: held or released
 *
 * All of it is what one host keeps for itself, and lies below `host/<name>/` in the store.
 *
 * Addresses in keys are fixed-width hex (8 or 32 digits), so that key order is address order.
 */
import { prefixRange, type KeyRange } from '../store/port.ts';

/** What the keys of a host begin with in the store. */
export const hostPrefix = (hostName: string): string => `host/${hostName}/`;

/** Whether a key of the store belongs to some host. */
export const isOfSomeHost = (key: string): boolean => key.startsWith('host/');

/** Whether a key of the store (with its prefix) is a network or container of some host. */
export const isHostWork = (key: string): boolean =>
  /^host\/[^/]+\/(?:network|endpoint)\//.test(key);

/** Key of the engine's identity. */
export const dockerEngineKey = 'docker-engine';

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

/** Key of a space's guard. */
export const spaceKey = (space: string): string => `ipam/space/${space}`;

/** Key of a pool. */
export const poolKey = (space: string, cidr: string): string => `ipam/pool/${space}/${cidr}`;
/** All pools. */
export const poolRange: Required<KeyRange> = prefixRange('ipam/pool/');
/** All pools of a space. */
export const spacePoolRange = (space: string): Required<KeyRange> =>
  prefixRange(`ipam/pool/${space}/`);

/** Key of an address of a pool. */
export const poolAddressKey = (space: string, cidr: string, hexAddress: string): string =>
  `ipam/address/${space}/${cidr}/${hexAddress}`;
/** All addresses of a pool. */
export const poolAddressRange = (space: string, cidr: string): Required<KeyRange> =>
  prefixRange(`ipam/address/${space}/${cidr}/`);
