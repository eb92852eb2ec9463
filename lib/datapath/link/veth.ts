/**
 * Pairs of veth links of ours: made, repaired, removed. Guarantees (I5, I8): a link that does not carry
 * the caller's mark is never changed or removed; a refusal or failure leaves nothing behind; the same
 * call again has the same effect as once. The mark is the alias, on both ends; because the kernel takes
 * no alias in the creating request, links are born in a group of ours, so that a pair whose maker was
 * killed before it wrote the alias is still known as ours.
 */
import { FairleadError } from '../../errors.ts';
import { errorNumber, type Libc } from './libc.ts';
import { kernelError } from './link-errors.ts';
import {
  createVethRequest,
  decodeLink,
  getLinkRequest,
  linkMessage,
  noAddressModeRequest,
  removeLinkRequest,
  setLinkRequest,
  type Link,
} from './link-messages.ts';
import type { NetlinkRequest } from './netlink-codec.ts';
import type { NetlinkSocket, Reply } from './netlink-socket.ts';
import type { Offload } from './offload.ts';

/** "FAIR": the group in which our links are born. */
export const linkGroup = 0x46414952;
/** Attempts when links come or go between a refusal and the look at why. */
const raceTriesMax = 3;

/** What the work is done with. */
export interface VethTools {
  readonly libc: Libc;
  /** For requests that are quick. */
  readonly changes: Pick<NetlinkSocket, 'exchange'>;
  /** For removals, 16 to 20 ms each, so that nothing quick waits behind them. */
  readonly removals: Pick<NetlinkSocket, 'exchange'>;
  readonly offload: Pick<Offload, 'switchOff'>;
}

/** A checked wish for a pair. */
export interface VethWish {
  readonly host: string;
  readonly peer: string;
  readonly mtu: number;
  readonly peerMac: Uint8Array | undefined;
  readonly alias: string;
  readonly txChecksumOff: boolean;
}

/**
 * Makes a pair, or completes and corrects the one that is there.
 * @throws LINK_NOT_OURS, LINK_IN_USE when the other end is elsewhere, LINK_FAILED
 */
export async function makeVeth(tools: VethTools, wish: VethWish): Promise<void> {
  const request = createVethRequest({ ...wish, group: linkGroup });
  for (let attempt = 0; attempt < raceTriesMax; attempt++) {
    const created = only(await tools.changes.exchange([request]));
    if (created.errno === 0) {
      await finishNew(tools, wish);
      return;
    }
    if (created.errno !== errorNumber.EEXIST) {
      const what = `cannot create the links ${wish.host} and ${wish.peer}`;
      throw kernelError(tools.libc, what, created.errno, created.text);
    }
    if (await adopt(tools, wish)) return;
  }
  throw new FairleadError('LINK_FAILED', `the links ${wish.host} and ${wish.peer} come and go`);
}

/**
 * Switches a host end on and gives it this MTU, whether its other end is here or in a container.
 * @throws LINK_NOT_OURS, LINK_FAILED, also when it is absent
 */
export async function configureLink(
  tools: VethTools,
  name: string,
  alias: string,
  mtu: number,
): Promise<void> {
  const link = await findLink(tools.libc, tools.changes, name);
  if (link === undefined) {
    throw kernelError(tools.libc, `cannot change link ${name}`, errorNumber.ENODEV);
  }
  if (!isOurs(link, alias)) throw notOurs(link);
  const target = { index: link.index };
  await apply(tools, name, [
    noAddressModeRequest(target),
    setLinkRequest(target, { mtu, alias, up: true }),
  ]);
}

/**
 * Removes a link, and the other end of a veth with it. False when there is none.
 * @throws LINK_NOT_OURS, LINK_FAILED
 */
export async function removeLink(
  tools: Pick<VethTools, 'libc' | 'removals'>,
  name: string,
  alias: string,
): Promise<boolean> {
  const link = await findLink(tools.libc, tools.removals, name);
  if (link === undefined) return false;
  if (!isOurs(link, alias)) throw notOurs(link);
  // by index: the name may belong to another link by now
  const request = removeLinkRequest({ index: link.index });
  const removed = only(await tools.removals.exchange([request]));
  if (removed.errno === errorNumber.ENODEV) return false;
  if (removed.errno !== 0) {
    throw kernelError(tools.libc, `cannot remove link ${name}`, removed.errno, removed.text);
  }
  return true;
}

/**
 * The link of this name.
 * @throws LINK_FAILED
 */
export async function findLink(
  libc: Libc,
  socket: Pick<NetlinkSocket, 'exchange'>,
  name: string,
): Promise<Link | undefined> {
  const reply = only(await socket.exchange([getLinkRequest({ name })]));
  if (reply.errno === errorNumber.ENODEV) return undefined;
  if (reply.errno !== 0) {
    throw kernelError(libc, `cannot read link ${name}`, reply.errno, reply.text);
  }
  const message = reply.messages.find(({ type }) => type === linkMessage.created);
  return message === undefined ? undefined : decodeLink(message.body);
}

async function finishNew(tools: VethTools, wish: VethWish): Promise<void> {
  const host = { name: wish.host };
  const requests = [
    noAddressModeRequest(host),
    setLinkRequest(host, { alias: wish.alias, up: true }),
    setLinkRequest({ name: wish.peer }, { alias: wish.alias }),
  ];
  try {
    await settle(tools, wish, requests);
  } catch (error) {
    // the first error is what the caller needs; what cannot be removed now carries our mark
    await removeLink(tools, wish.host, wish.alias).catch(() => false);
    throw error;
  }
}

/** Takes over the pair that is there. False when it has gone meanwhile. */
async function adopt(tools: VethTools, wish: VethWish): Promise<boolean> {
  const host = await findLink(tools.libc, tools.changes, wish.host);
  const peer = await findLink(tools.libc, tools.changes, wish.peer);
  for (const link of [host, peer]) {
    if (link !== undefined && !isOurs(link, wish.alias)) throw notOurs(link);
  }
  if (host === undefined && peer === undefined) return false;
  const paired =
    host?.peerNamespace === undefined &&
    peer?.peerNamespace === undefined &&
    host?.peerIndex === peer?.index &&
    peer?.peerIndex === host?.index;
  if (host === undefined || peer === undefined || !paired) {
    const [there, other] = host === undefined ? [wish.peer, wish.host] : [wish.host, wish.peer];
    const message = `link ${there} exists, and its other end is not ${other} of this host`;
    throw new FairleadError('LINK_IN_USE', message);
  }
  const hostEnd = { index: host.index };
  const peerEnd = { index: peer.index };
  const { mtu, alias, peerMac: mac } = wish;
  await settle(tools, wish, [
    noAddressModeRequest(hostEnd),
    setLinkRequest(hostEnd, { mtu, alias, up: true }),
    setLinkRequest(peerEnd, { mtu, alias, mac }),
  ]);
  return true;
}

/** Applies the settings and the offload side by side; both are done when it returns or throws. */
async function settle(
  tools: VethTools,
  wish: VethWish,
  requests: readonly NetlinkRequest[],
): Promise<void> {
  const results = await Promise.allSettled([
    apply(tools, wish.host, requests),
    wish.txChecksumOff ? tools.offload.switchOff(wish.peer) : undefined,
  ]);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** Sends settings of which the first, the address mode, may be refused for want of IPv6. */
async function apply(
  tools: VethTools,
  name: string,
  requests: readonly NetlinkRequest[],
): Promise<void> {
  const [mode, ...others] = await tools.changes.exchange(requests);
  const noIpv6 = mode?.errno === errorNumber.EAFNOSUPPORT;
  for (const reply of noIpv6 || mode === undefined ? others : [mode, ...others]) {
    if (reply.errno !== 0) {
      throw kernelError(tools.libc, `cannot set up link ${name}`, reply.errno, reply.text);
    }
  }
}

function isOurs(link: Link, alias: string): boolean {
  if (link.alias !== undefined) return link.alias === alias;
  return link.kind === 'veth' && link.group === linkGroup;
}

function notOurs(link: Link): FairleadError {
  const mark = link.alias === undefined ? 'without a mark' : `marked ${JSON.stringify(link.alias)}`;
  const kind = link.kind ?? 'link';
  return new FairleadError('LINK_NOT_OURS', `link ${link.name} (${kind}) is there, ${mark}`);
}

function only(replies: readonly Reply[]): Reply {
  const [reply] = replies;
  if (reply === undefined) throw new FairleadError('LINK_FAILED', 'the kernel did not answer');
  return reply;
}
