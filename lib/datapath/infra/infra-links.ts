/**
 * The host's own ends in infra networks: a pair of links each, of which the outer end is a port of the bridge like a
 * container's and the inner end stays, with the name of the network, its addresses and routes. What is on it and
 * should not be goes; of anything else nothing is changed.
 */
import { FairleadError } from '../../errors.ts';
import type { Cidr, IpInterface } from '../../ip/ip.ts';
import type { Logger } from '../../log.ts';
import { endpointOfAlias, linkAlias, linkNames, type PortSpec } from '../../network/port.ts';
import type { Link, LinkRoute, Links, Route } from '../link/links.ts';
import { setAddresses, setRoutes } from '../outside/host-link.ts';
import type { KernelSettings } from '../outside/kernel-settings.ts';
import type { HostState } from './obstacles.ts';

/** One link as it should be. */
export interface InfraWish {
  readonly port: PortSpec;
  /** The host's addresses, with the subnets that they are in. */
  readonly addresses: readonly (IpInterface & { readonly subnet: Cidr })[];
  /** Routes besides those to the subnets. */
  readonly routes: readonly LinkRoute[];
}

/** What it is made of. */
export interface InfraLinksParts {
  readonly links: Pick<
    Links,
    'list' | 'addresses' | 'routes' | 'mark' | 'remove' | 'changeAddress' | 'changeRoute'
  >;
  readonly settings: Pick<KernelSettings, 'setOwn'>;
  /** Makes links and port of an endpoint; `isLost` when the switch may know earlier links of these names. */
  readonly attach: (port: PortSpec, isLost: boolean) => Promise<void>;
  readonly log: Logger;
}

/** The links of one host. */
export class InfraLinks {
  readonly #parts: InfraLinksParts;
  /** Changes so far. */
  #count = 0;

  constructor(parts: InfraLinksParts) {
    this.#parts = parts;
  }

  /** What the kernel has now. @throws LINK_FAILED */
  async look(): Promise<HostState> {
    const { links } = this.#parts;
    const [list, addresses, routes] = await Promise.all([
      links.list(),
      links.addresses(),
      links.routes(),
    ]);
    return { links: list, addresses, routes };
  }

  /**
   * Makes a link what it should be, in the state that was seen. Answers the destinations that somebody else has a
   * route to by now.
   * @throws OVS_*, LINK_*, OUTSIDE_FAILED
   */
  async apply(wish: InfraWish, seen: HostState): Promise<readonly string[]> {
    const before = this.#count;
    const { state, link } = await this.#pair(wish.port, seen);
    await this.#settle(wish, link);
    const { index } = link;
    const { addresses } = state;
    this.#count += await setAddresses(this.#parts.links, index, {
      addresses,
      wanted: wish.addresses,
    });
    const taken = await this.#setRoutes(wish, link, state.routes);
    const changed = this.#count - before;
    if (changed > 0) {
      this.#parts.log.info({ link: link.name, changed }, 'put a link of an infra network right');
    }
    return taken;
  }

  /** The inner end, made when it is not there or not as it should be. */
  async #pair(
    port: PortSpec,
    seen: HostState,
  ): Promise<{ readonly state: HostState; readonly link: Link }> {
    const known = innerEnd(port, seen.links);
    if (known?.mac === port.mac && known.mtu === port.mtu) return { state: seen, link: known };
    const isLost = known === undefined;
    // an end that was renamed, or moved to a container: both go with the outer one
    if (isLost) await this.#parts.links.remove(port.hostLink, linkAlias(port.endpointId));
    await this.#parts.attach(port, isLost);
    this.#count += 1;
    const state = await this.look();
    const link = innerEnd(port, state.links);
    if (link !== undefined) return { state, link };
    throw new FairleadError('LINK_FAILED', `link ${port.containerLink} was made and is not there`);
  }

  /** On, known as ours, and no way through the host. */
  async #settle({ port, addresses }: InfraWish, link: Link): Promise<void> {
    const { links, settings } = this.#parts;
    const { name, index, up } = link;
    // what comes by it is for the host, and nothing else
    await settings.setOwn(`ipv4/conf/${name}/forwarding`, '0');
    if (addresses.some(({ address }) => address.family === 6)) {
      await settings.setOwn(`ipv6/conf/${name}/accept_ra`, '0');
      await settings.setOwn(`ipv6/conf/${name}/disable_ipv6`, '0');
    }
    if (up) return;
    await links.mark(index, linkAlias(port.endpointId));
    this.#count += 1;
  }

  async #setRoutes(
    { addresses, routes }: InfraWish,
    { index }: Link,
    all: readonly Route[],
  ): Promise<readonly string[]> {
    const own = addresses.map(({ address, subnet }) => ({ destination: subnet, source: address }));
    const wanted = [...own, ...routes];
    const outcome = await setRoutes(this.#parts.links, index, { routes: all, wanted });
    this.#count += outcome.changed;
    return outcome.taken;
  }
}

/** The inner end of a pair that is as it should be but for its settings. */
function innerEnd(port: PortSpec, links: readonly Link[]): Link | undefined {
  const alias = linkAlias(port.endpointId);
  const inner = links.find((link) => link.name === port.containerLink && link.alias === alias);
  const outer = links.find((link) => link.name === port.hostLink && link.alias === alias);
  if (inner?.peerNamespace !== undefined || outer?.peerNamespace !== undefined) return undefined;
  return inner !== undefined && inner.peerIndex === outer?.index ? inner : undefined;
}

/**
 * The links of infra networks that a host has, by their marks alone: inner ends that are still here, under another
 * name than containers' ends have.
 */
export function infraLinksIn(
  links: readonly Link[],
): readonly { readonly name: string; readonly alias: string }[] {
  return links.flatMap(({ name, alias, kind, peerNamespace }) => {
    const endpointId = endpointOfAlias(alias);
    if (alias === undefined || endpointId === undefined || kind !== 'veth') return [];
    const { host, container } = linkNames(endpointId);
    const isInfra = peerNamespace === undefined && name !== host && name !== container;
    return isInfra ? [{ name, alias }] : [];
  });
}
