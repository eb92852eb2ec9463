/**
 * The way out of this host, one look at a time: `decide` says whether there is one and under which addresses,
 * `apply` makes kernel and packet filter so. Both may be repeated for ever; what is right already is left.
 */
import { formatCidr, type Cidr, type IpFamily } from '../../ip/ip.ts';
import { familyOf } from '../../model/published.ts';
import { asFairleadError, FairleadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Links } from '../link/links.ts';
import { hostMac } from '../pipeline/outside.ts';
import { conflictOf, hasIpv6, hostPortName, type Surroundings } from './block.ts';
import type { PacketFilter } from './filter.ts';
import { setHostLink, type HostLinks, type LinkWish, type Reachable } from './host-link.ts';
import type { KernelSettings, WantedSettings } from './kernel-settings.ts';
import { outwardLinks } from './outward.ts';
import { rulesOf, type Publication } from './rules.ts';

/** What it is made of. */
export interface WayOutParts {
  /** The blocks to use, IPv4 first; none for no way out at all. */
  readonly blocks: readonly Cidr[];
  readonly links: HostLinks & Pick<Links, 'list' | 'addresses' | 'routes'>;
  readonly filter: PacketFilter;
  readonly settings: KernelSettings;
  /** Our bridge: it leads nowhere. */
  readonly bridge: string;
  readonly log: Logger;
}

/** What is wanted of it. */
export interface WayOutWish {
  /** The host has networks that it reaches itself. */
  readonly isReached: boolean;
  /** The host may have networks whose containers reach what is outside. */
  readonly isOut: boolean;
  /** Subnets of this host's networks, canonical. */
  readonly subnets: readonly string[];
}

/** What was decided. */
export interface WayOutDecision {
  /** None: there is no way out. */
  readonly blocks: readonly Cidr[];
  /** Whether packets leave the host; else only the host itself is behind its port. */
  readonly isOut: boolean;
  /** Why there is none, or not for a family that there might be one for. */
  readonly conflict: string | undefined;
}

/** What is to be reached by it. */
export interface WayOutReach {
  /** By the host. */
  readonly reachable: readonly Reachable[];
  /** By whoever speaks to the host. */
  readonly published: readonly Publication[];
}

/** What came of applying it. */
export interface WayOutOutcome {
  /** The port's link is not there yet. */
  readonly isPending: boolean;
  /** What the packet filter refused, by family: there is no way out for it. */
  readonly failures: ReadonlyMap<IpFamily, FairleadError>;
}

const families = [4, 6] as const;
/** Kinds of links behind which there may be a router. */
const hearing: ReadonlySet<string> = new Set(['vlan', 'bond', 'team', 'bridge', 'macvlan']);
const forwardingAll6 = 'ipv6/conf/all/forwarding';
const nowhere: WayOutDecision = { blocks: [], isOut: false, conflict: undefined };

/** The way out of one host. */
export class WayOut {
  readonly #parts: WayOutParts;
  #decision: WayOutDecision = nowhere;
  /** Families that may have rules of ours. */
  readonly #filtered = new Set<IpFamily>(families);
  #taken = '';

  constructor(parts: WayOutParts) {
    this.#parts = parts;
  }

  /** What was decided last. */
  get decision(): WayOutDecision {
    return this.#decision;
  }

  /**
   * Looks at the host, and says what can be had.
   * @throws LINK_FAILED
   */
  async decide(wish: WayOutWish): Promise<WayOutDecision> {
    const { isReached, isOut } = wish;
    if (!(isReached || isOut) || this.#parts.blocks.length === 0) {
      this.#decision = nowhere;
      return nowhere;
    }
    const around = await this.#look(wish.subnets);
    const blocks: Cidr[] = [];
    const conflicts: string[] = [];
    for (const block of this.#parts.blocks) {
      if (block.family === 6 && !(await this.#speaksIpv6(around))) continue;
      const conflict = conflictOf(block, around);
      if (conflict === undefined) blocks.push(block);
      else conflicts.push(conflict);
    }
    const conflict = conflicts.length === 0 ? undefined : conflicts.join('; ');
    this.#decision = { blocks, isOut, conflict };
    return this.#decision;
  }

  /**
   * Makes what was decided last so. The port itself is the switch's part.
   * @throws OUTSIDE_FAILED, LINK_FAILED when there is no way out for any family
   */
  async apply({ reachable, published }: WayOutReach): Promise<WayOutOutcome> {
    const { blocks, isOut } = this.#decision;
    const leaving = isOut ? blocks : [];
    const around = await this.#look([]);
    const outward = new Map(
      families.map((family) => [family, outwardLinks(around, family, this.#parts.bridge)]),
    );
    await this.#filterAway(leaving);
    await this.#forward(leaving, around, outward);
    const failures = await this.#filter(leaving, outward, published);
    const link = { blocks, reachable, isLoopback: isOut && published.some(isIpv4) };
    const isPending = blocks.length > 0 && !(await this.#setLink(link, around));
    return { isPending, failures };
  }

  async #look(subnets: readonly string[]): Promise<Surroundings> {
    const { links } = this.#parts;
    const [list, addresses, routes] = await Promise.all([
      links.list(),
      links.addresses(),
      links.routes(),
    ]);
    return { links: list, addresses, routes, subnets };
  }

  async #speaksIpv6(around: Surroundings): Promise<boolean> {
    if (!hasIpv6(around)) return false;
    return (await this.#parts.settings.read('ipv6/conf/all/disable_ipv6')) === '0';
  }

  async #filterAway(blocks: readonly Cidr[]): Promise<void> {
    for (const family of [...this.#filtered]) {
      if (blocks.some((block) => block.family === family)) continue;
      await this.#parts.filter.remove(family);
      this.#filtered.delete(family);
    }
  }

  async #filter(
    blocks: readonly Cidr[],
    outward: ReadonlyMap<IpFamily, readonly string[]>,
    published: readonly Publication[],
  ): Promise<ReadonlyMap<IpFamily, FairleadError>> {
    const failures = new Map<IpFamily, FairleadError>();
    for (const block of blocks) {
      this.#filtered.add(block.family);
      try {
        const own = published.filter((one) => familyOf(one) === block.family);
        await this.#filterBlock(block, outward.get(block.family) ?? [], own);
      } catch (thrown) {
        failures.set(block.family, wayOutFailure(thrown));
      }
    }
    return failures;
  }

  async #filterBlock(
    block: Cidr,
    outward: readonly string[],
    published: readonly Publication[],
  ): Promise<void> {
    const { family } = block;
    const barred = await this.#barred(family, outward);
    const rules = rulesOf({ block, outward, barred, published });
    const outcome = await this.#parts.filter.ensure(family, rules);
    if (outcome === 'changed') {
      this.#parts.log.info({ family }, 'wrote the rules of the packet filter');
    }
    if (outcome !== 'absent') return;
    throw new FairleadError(
      'OUTSIDE_FAILED',
      `this host has neither ${family === 4 ? 'iptables' : 'ip6tables'} nor nft, so nothing of IPv${family} leaves ${formatCidr(block)}`,
    );
  }

  /** Links that forward because of us; nothing that was not forwarded before is forwarded between them. */
  async #barred(family: IpFamily, outward: readonly string[]): Promise<readonly string[]> {
    const { settings } = this.#parts;
    const held = await settings.held();
    if (family === 6) return held.has(forwardingAll6) ? outward : [];
    if ((await settings.read('ipv4/ip_forward')) === '1') return [];
    return outward.filter((link) => held.has(forwarding4(link)));
  }

  async #forward(
    blocks: readonly Cidr[],
    around: Surroundings,
    outward: ReadonlyMap<IpFamily, readonly string[]>,
  ): Promise<void> {
    const { settings } = this.#parts;
    const wanted = new Map<string, string>();
    for (const { family } of blocks) {
      const more =
        family === 4
          ? (outward.get(4) ?? []).map((link) => [forwarding4(link), '1'] as const)
          : await this.#forward6(around, outward.get(6) ?? []);
      for (const [path, value] of more) wanted.set(path, value);
    }
    const isForAll = (await settings.read('ipv4/ip_forward')) === '1';
    const changed = await settings.ensure(
      wanted satisfies WantedSettings,
      (path) => isForAll && path.startsWith('ipv4/'),
    );
    if (changed > 0) this.#parts.log.info({ changed }, 'changed what this host forwards');
  }

  /** The kernel forwards IPv6 for all links or none; and a link that forwards hears no router any more. */
  async #forward6(
    { links }: Surroundings,
    outward: readonly string[],
  ): Promise<readonly (readonly [string, string])[]> {
    const { settings } = this.#parts;
    const held = await settings.held();
    const wanted: (readonly [string, string])[] = [];
    if (held.has(forwardingAll6) || (await settings.read(forwardingAll6)) === '0') {
      for (const { name, kind } of links) {
        const path = `ipv6/conf/${name}/accept_ra`;
        // a NIC may be waiting for its router; nobody routes to links of containers and switches
        const mayHear = outward.includes(name) || kind === undefined || hearing.has(kind);
        if (name === 'lo' || !mayHear) continue;
        // 2: also while it forwards
        if (held.has(path) || (await settings.read(path)) === '1') wanted.push([path, '2']);
      }
    }
    return [...wanted, [forwardingAll6, '1']];
  }

  /** False when there is none yet. */
  async #setLink(
    { blocks, reachable, isLoopback }: LinkWish & { readonly isLoopback: boolean },
    around: Surroundings,
  ): Promise<boolean> {
    const { links, settings, log } = this.#parts;
    const link = around.links.find(({ name }) => name === hostPortName);
    if (link?.mac !== hostMac) return false;
    for (const { family } of blocks) {
      if (family === 4) {
        await settings.setOwn(forwarding4(hostPortName), '1');
        // the host speaks to published ports from 127.0.0.1; containers do not speak to that: flows see to it
        await settings.setOwn(localnet, isLoopback ? '1' : '0');
      } else {
        await settings.setOwn(`ipv6/conf/${hostPortName}/accept_ra`, '0');
        await settings.setOwn(`ipv6/conf/${hostPortName}/disable_ipv6`, '0');
      }
    }
    const { changed, taken } = await setHostLink(links, { ...around, link }, { blocks, reachable });
    if (changed > 0) log.info({ changed }, `put link ${hostPortName} right`);
    const text = taken.join(', ');
    if (text !== this.#taken && text !== '') {
      log.warn({ destinations: taken }, 'this host has other routes to networks of its own');
    }
    this.#taken = text;
    return true;
  }
}

const isIpv4 = (one: Publication): boolean => familyOf(one) === 4;
const localnet = `ipv4/conf/${hostPortName}/route_localnet`;
const forwarding4 = (link: string): string => `ipv4/conf/${link}/forwarding`;

/** The error that a failed look is shown as: whatever failed, the way out is what is missing. */
export function wayOutFailure(thrown: unknown): FairleadError {
  const error = asFairleadError(thrown);
  if (error.code === 'OUTSIDE_FAILED') return error;
  return new FairleadError('OUTSIDE_FAILED', error.message, { cause: error });
}
