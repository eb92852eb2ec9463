/**
 * The links of this host: what the rest of the agent sees of rtnetlink. Guarantees: no process is
 * started, the event loop never waits for the kernel, every call ends within `netlinkRequestMs`, links
 * without our mark are only read. Works in the network namespace in which the process was started. Must
 * be closed. Knows nothing of bridges, Docker or endpoints.
 */
import { systemClock, type Clock } from '../../clock.ts';
import { FairleadError } from '../../errors.ts';
import {
  formatAddress,
  formatCidr,
  formatInterface,
  parseMac,
  quote,
  type IpAddress,
  type IpInterface,
} from '../../ip/ip.ts';
import {
  linkAliasBytesMax,
  linkMtuMax,
  linkMtuMin,
  linkNameBytesMax,
  netlinkRequestMs,
} from '../../limits.ts';
import {
  addressMessage,
  decodeAddress,
  decodeRoute,
  listAddressesRequest,
  listRoutesRequest,
  routeMessage,
  type LinkAddress,
  type Route,
} from './address-messages.ts';
import { errorNumber, openLibc } from './libc.ts';
import { kernelError } from './link-errors.ts';
import {
  decodeLink,
  linkMessage,
  listLinksRequest,
  noAddressModeRequest,
  setLinkRequest,
  type Link,
} from './link-messages.ts';
import type { NetlinkRequest } from './netlink-codec.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import { connectedAddresses, readNic, writeNic, type NicSettings } from './nic.ts';
import { Offload } from './offload.ts';
import { configureLink, findLink, makeVeth, removeLink, type VethTools } from './veth.ts';
import {
  decodeNeighbour,
  listNeighboursRequest,
  neighbourMessage,
  type Neighbour,
} from './neighbour-messages.ts';
import { watchLinks, type LinkEvent, type LinkWatch } from './watch.ts';
import {
  addressRequest,
  neighbourRequest,
  routeRequest,
  type Change,
  type LinkRoute,
} from './way-messages.ts';

export type { LinkAddress, Route } from './address-messages.ts';
export type { Link } from './link-messages.ts';
export type { Neighbour } from './neighbour-messages.ts';
export type { NicSettings } from './nic.ts';
export type { LinkEvent, LinkWatch } from './watch.ts';
export type { LinkRoute } from './way-messages.ts';

/** A pair of links for an endpoint. */
export interface VethRequest {
  /** Name of the end that stays: 1 to 15 bytes. */
  readonly host: string;
  /** Name of the end for the container. */
  readonly peer: string;
  /** Bytes, of both ends. */
  readonly mtu: number;
  /** The container's MAC; the kernel's choice when absent. */
  readonly peerMac?: string | undefined;
  /** Mark of ownership on both ends: 1 to 255 bytes. */
  readonly alias: string;
  /** Transmit checksum offload off on the container's end (userspace datapath). */
  readonly txChecksumOff?: boolean | undefined;
}

/** Every call throws LINK_FAILED for what the kernel refuses (its errno in `detail`), BUSY when too
 *  many wait, DEADLINE when the kernel is stuck, STOPPING after `close`. */
export interface Links {
  /** All links. */
  list(): Promise<readonly Link[]>;
  /** The link of this name. */
  get(name: string): Promise<Link | undefined>;
  /**
   * Makes a pair: host end up and without an IPv6 address of its own, both ends marked. The same call
   * again finds or corrects the pair. On failure nothing is left; after DEADLINE the pair may still
   * come, and carries its mark.
   * @throws REQUEST_INVALID; LINK_NOT_OURS when a name is somebody else's, then nothing was changed;
   *   LINK_IN_USE when one of the ends is there and the other is in a container or renamed
   */
  createVeth(request: VethRequest): Promise<void>;
  /**
   * Switches a host end of ours on and gives it this MTU, wherever its other end is.
   * @throws LINK_NOT_OURS
   */
  configure(name: string, alias: string, mtu: number): Promise<void>;
  /**
   * Removes a link of ours and its other end, wherever that is: 16 to 20 ms. False when absent.
   * @throws LINK_NOT_OURS
   */
  remove(name: string, alias: string): Promise<boolean>;
  /** True when a link leaves checksums of what it sends to whoever takes it. */
  transmitChecksum(name: string): Promise<boolean>;
  /** How a NIC of the host is set, as far as `setNic` changes it. */
  nic(name: string): Promise<NicSettings>;
  /** Sets what is given. The caller knows that it may: a NIC carries no mark. */
  setNic(name: string, wanted: Partial<NicSettings>): Promise<void>;
  /** Addresses of this host that TCP connections over IPv6 are established from. */
  connectedAddresses(): Promise<ReadonlySet<string>>;
  /** All IPv4 and IPv6 addresses. */
  addresses(): Promise<readonly LinkAddress[]>;
  /** All IPv4 and IPv6 routes of all tables. */
  routes(): Promise<readonly Route[]>;
  /** Which MAC the kernel knows for which address. @throws LINK_FAILED, DEADLINE */
  neighbours(): Promise<readonly Neighbour[]>;
  /** Switches a link on and marks it, whosever it was: the caller knows that it is ours. */
  mark(index: number, alias: string): Promise<void>;
  /** Gives a link of ours an address, or takes it away. What is so already is no error. */
  changeAddress(change: Change, index: number, address: IpInterface): Promise<void>;
  /**
   * Adds a route by a link of ours, or removes one of ours. False when another has the destination.
   * Removing what is not there is no error.
   */
  changeRoute(change: Change, index: number, route: LinkRoute): Promise<boolean>;
  /** Tells who has an address at a link of ours, for good. */
  setNeighbour(index: number, address: IpAddress, mac: string): Promise<void>;
  /** Tells of changes; hints, not a log. */
  watch(listener: (event: LinkEvent) => void): LinkWatch;
  /** Ends watches, refuses what waits, lets what is in progress end. */
  close(): Promise<void>;
}

/**
 * Opens the kernel's interface to links.
 * @throws LINK_FAILED
 */
export async function openLinks(clock: Clock = systemClock): Promise<Links> {
  const libc = openLibc();
  const opened: { close(): unknown }[] = [];
  const keep = <T extends { close(): unknown }>(resource: T): T => {
    opened.push(resource);
    return resource;
  };
  try {
    const offload = keep(new Offload(libc));
    // one operation at a time per socket: reading, making and removing don't wait for each other
    const reads = keep(new NetlinkSocket(libc, clock));
    const changes = keep(new NetlinkSocket(libc, clock));
    const removals = keep(new NetlinkSocket(libc, clock));
    return serve(clock, reads, { libc, changes, removals, offload });
  } catch (error) {
    for (const resource of opened) await resource.close();
    throw error;
  }
}

interface Tools extends VethTools {
  readonly changes: NetlinkSocket;
  readonly removals: NetlinkSocket;
  readonly offload: Offload;
}

function serve(clock: Clock, reads: NetlinkSocket, tools: Tools): Links {
  const { libc, offload } = tools;
  const inProgress = new Set<Promise<unknown>>();
  const watches = new Set<LinkWatch>();
  let closed = false;
  const bounded = <T>(work: () => Promise<T>): Promise<T> => {
    const running = closed ? Promise.reject(stopping()) : work();
    inProgress.add(running);
    const forget = () => inProgress.delete(running);
    running.then(forget, forget);
    return within(clock, running);
  };
  const listed = <T>(
    request: NetlinkRequest,
    wanted: number,
    decode: (body: Uint8Array) => T | undefined,
  ) =>
    bounded(() =>
      reads.dump(request, ({ type, body }) => (type === wanted ? decode(body) : undefined)),
    );
  return {
    list: () => listed(listLinksRequest(), linkMessage.created, decodeLink),
    addresses: () => listed(listAddressesRequest(), addressMessage.present, decodeAddress),
    routes: () => listed(listRoutesRequest(), routeMessage.present, decodeRoute),
    neighbours: () => listed(listNeighboursRequest(), neighbourMessage.present, decodeNeighbour),
    get: (name) => bounded(async () => findLink(libc, reads, checkName(name))),
    createVeth: (request) => bounded(async () => makeVeth(tools, checkRequest(request))),
    configure: (name, alias, mtu) =>
      bounded(async () => configureLink(tools, checkName(name), checkAlias(alias), checkMtu(mtu))),
    remove: (name, alias) =>
      bounded(async () => removeLink(tools, checkName(name), checkAlias(alias))),
    nic: (name) => bounded(async () => readNic(tools, checkName(name))),
    setNic: (name, wanted) => bounded(async () => writeNic(tools, checkName(name), wanted)),
    connectedAddresses: () => bounded(connectedAddresses),
    transmitChecksum: (name) => bounded(async () => offload.transmitChecksum(checkName(name))),
    ...serveWays((...asked) => bounded(() => askKernel(tools, ...asked))),
    watch: (listener) => {
      if (closed) throw stopping();
      const watch = watchLinks(libc, listener);
      watches.add(watch);
      return watch;
    },
    close: async () => {
      closed = true;
      for (const watch of watches) watch.close();
      await Promise.all([reads.close(), tools.changes.close(), tools.removals.close()]);
      await Promise.allSettled(inProgress);
      offload.close();
    },
  };
}

/** Sends one request; answers 0, or the errno if it is one of those that are meant to be seen. */
type Ask = (request: NetlinkRequest, what: string, meant: readonly number[]) => Promise<number>;

async function askKernel(
  { libc, changes }: Tools,
  request: NetlinkRequest,
  what: string,
  meant: readonly number[],
): Promise<number> {
  const [reply] = await changes.exchange([request]);
  if (reply?.errno === 0 || meant.includes(reply?.errno ?? 0)) return reply?.errno ?? 0;
  throw kernelError(libc, what, reply?.errno ?? 0, reply?.text);
}

/** Addresses, routes and neighbours of links of ours. */
function serveWays(
  ask: Ask,
): Pick<Links, 'mark' | 'changeAddress' | 'changeRoute' | 'setNeighbour'> {
  const { EEXIST, ENODEV, ESRCH, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL } = errorNumber;
  return {
    async mark(index, alias) {
      // where there is no IPv6, there is nothing to keep the kernel from
      const meant = [EAFNOSUPPORT, EINVAL];
      await ask(noAddressModeRequest({ index }), `cannot set up link ${index}`, meant);
      const up = setLinkRequest({ index }, { alias: checkAlias(alias), up: true });
      await ask(up, `cannot switch link ${index} on`, []);
    },
    async changeAddress(change, index, address) {
      const what = `cannot ${change} address ${formatInterface(address)}`;
      await ask(addressRequest(change, index, address), what, [
        change === 'add' ? EEXIST : EADDRNOTAVAIL,
      ]);
    },
    async changeRoute(change, index, route) {
      const what = `cannot ${change} the route to ${formatCidr(route.destination)}`;
      const meant = change === 'add' ? [EEXIST] : [ESRCH, ENODEV];
      const errno = await ask(routeRequest(change, index, route), what, meant);
      return change === 'remove' || errno === 0;
    },
    async setNeighbour(index, address, mac) {
      const request = neighbourRequest(index, address, macBytes(parseMac(mac)));
      await ask(request, `cannot tell who has ${formatAddress(address)}`, []);
    },
  };
}

function stopping(): FairleadError {
  return new FairleadError('STOPPING', 'the agent is stopping');
}

/** Ends waiting, not the work, when the kernel takes too long. */
async function within<T>(clock: Clock, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(netlinkRequestMs, done.signal).then(
    () => {
      throw new FairleadError('DEADLINE', `no answer of the kernel in ${netlinkRequestMs} ms`);
    },
    () => work,
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}

function checkRequest(request: VethRequest) {
  const mac = request.peerMac === undefined ? undefined : parseMac(request.peerMac);
  return {
    host: checkName(request.host),
    peer: checkName(request.peer),
    mtu: checkMtu(request.mtu),
    peerMac: mac === undefined ? undefined : macBytes(mac),
    alias: checkAlias(request.alias),
    txChecksumOff: request.txChecksumOff ?? false,
  };
}

/** The kernel's own rule for names; `%` would make it choose a number. */
function checkName(name: string): string {
  const usable = /^[^\s/:%\0]+$/.test(name) && name !== '.' && name !== '..';
  if (usable && byteLength(name) <= linkNameBytesMax) return name;
  const expected = `1 to ${linkNameBytesMax} bytes without space, slash, colon or percent sign`;
  throw new FairleadError('REQUEST_INVALID', `link name ${quote(name)}, expected ${expected}`);
}

function checkAlias(alias: string): string {
  const length = byteLength(alias);
  if (length >= 1 && length <= linkAliasBytesMax && !alias.includes('\0')) return alias;
  const expected = `1 to ${linkAliasBytesMax} bytes without NUL`;
  throw new FairleadError('REQUEST_INVALID', `link alias ${quote(alias)}, expected ${expected}`);
}

function checkMtu(mtu: number): number {
  if (Number.isInteger(mtu) && mtu >= linkMtuMin && mtu <= linkMtuMax) return mtu;
  const expected = `${linkMtuMin} to ${linkMtuMax} bytes`;
  throw new FairleadError('REQUEST_INVALID', `link MTU ${mtu}, expected ${expected}`);
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function macBytes(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16));
}
