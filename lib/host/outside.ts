/**
 * The way out of this host's containers, and the host's way to them: what the networks ask for and what the
 * host has brought together, for the switch (its port), for the flows, and for the list of what is wrong.
 */
import type { HostPortWish } from '../datapath/host-port.ts';
import { addressesOf, hostPortName } from '../datapath/outside/block.ts';
import type { Reachable } from '../datapath/outside/host-link.ts';
import type { Publication } from '../datapath/outside/rules.ts';
import { wayOutFailure, type WayOut } from '../datapath/outside/way-out.ts';
import { ownAliasOf } from '../datapath/pipeline/own-alias.ts';
import type { Conditions } from '../conditions.ts';
import { describeError, FairleadError } from '../errors.ts';
import { addressBits, blockOf, formatCidr, type Cidr, type IpFamily } from '../ip/ip.ts';
import { hostPortMissesMax, hostPortPendingMs, linkMtuDefault } from '../limits.ts';
import type { Network } from '../model/network.ts';
import { familyOf } from '../model/published.ts';
import type { Segment } from '../network/world.ts';
import type { DataPlane } from './data-plane.ts';

/** What it is made of. */
export interface OutsideParts {
  readonly wayOut: Pick<WayOut, 'decide' | 'apply' | 'decision'>;
  readonly dataPlane: Pick<DataPlane, 'segments' | 'setOutside'>;
  /** UDP port of VXLAN. */
  readonly vxlanPort: number;
  readonly conditions: Conditions;
  /** Told when it is known whether there is a way out, each time. */
  readonly onDecided: () => void;
}

/** The way out, one look at a time. */
export class HostOutside {
  readonly #parts: OutsideParts;
  #failed: ReadonlySet<IpFamily> = new Set();
  #told = '';
  /** Looks in a row that found no link though the switch should have made one. */
  #misses = 0;

  constructor(parts: OutsideParts) {
    this.#parts = parts;
  }

  /** How the switch should make the host's port; undefined while nobody has use for it. */
  hostPort(): HostPortWish | undefined {
    if (this.#parts.wayOut.decision.blocks.length === 0) return undefined;
    const isLost = this.#misses >= hostPortMissesMax;
    return { mtu: this.#linkMtu(), ...(isLost ? { isLost } : {}) };
  }

  /**
   * Decides whether there is a way out, and tells the flows.
   * @param networks those of this host
   * @throws LINK_FAILED
   */
  async decide(networks: readonly Network[]): Promise<void> {
    const { wayOut, conditions } = this.#parts;
    const { conflict } = await wayOut.decide({
      isReached: networks.some(({ site }) => site === undefined),
      isOut: networks.some(({ site, internal, outside, infra }) =>
        site === undefined ? outside === true : !internal && infra !== true,
      ),
      subnets: networks.flatMap(({ subnets }) => subnets.map(({ cidr }) => cidr)),
    });
    conditions.set(
      'HOST_BLOCK_CONFLICT',
      conflict && describeError(new FairleadError('HOST_BLOCK_CONFLICT', conflict)),
    );
    this.#tellFlows();
    this.#parts.onDecided();
  }

  /** For which there is a way out now. */
  families(): readonly IpFamily[] {
    const { blocks, isOut } = this.#parts.wayOut.decision;
    const families = isOut ? blocks.map(({ family }) => family) : [];
    return families.filter((family) => !this.#failed.has(family));
  }

  /** Makes it so, after the switch has made the port. Answers when to look again, ms, if soon. */
  async apply(published: readonly Publication[]): Promise<number | undefined> {
    const { wayOut, conditions } = this.#parts;
    try {
      const { isPending, failures } = await wayOut.apply({
        reachable: [...this.#reachable(), ...this.#places(published)],
        published,
      });
      this.#failed = new Set(failures.keys());
      this.#misses = isPending ? this.#misses + 1 : 0;
      const [failure] = [...failures.values(), ...(this.#isLost() ? [lostPort()] : [])];
      conditions.set('OUTSIDE_FAILED', failure && describeError(failure));
      this.#tellFlows();
      return isPending && !this.#isLost() ? hostPortPendingMs : undefined;
    } catch (thrown) {
      this.#failed = new Set([4, 6]);
      this.#tellFlows();
      conditions.raise('OUTSIDE_FAILED', describeError(wayOutFailure(thrown)));
      return undefined;
    }
  }

  #isLost(): boolean {
    return this.#misses > hostPortMissesMax;
  }

  #tellFlows(): void {
    const { wayOut, dataPlane, vxlanPort } = this.#parts;
    const blocks = wayOut.decision.blocks.filter(({ family }) => !this.#failed.has(family));
    const text = blocks.map(formatCidr).join(' ');
    if (text === this.#told) return;
    this.#told = text;
    dataPlane.setOutside(blocks.length === 0 ? undefined : { blocks, vxlanPort });
  }

  /** As large as the largest network needs; smaller ones have routes of their own. */
  #linkMtu(): number {
    const mtus = [...this.#parts.dataPlane.segments].filter(isConcerned).map(({ mtu }) => mtu);
    return Math.max(linkMtuDefault, ...mtus);
  }

  #reachable(): readonly Reachable[] {
    const segments = [...this.#parts.dataPlane.segments].filter(isConcerned);
    const linkMtu = this.#linkMtu();
    const own = segments
      .filter(({ reached }) => reached)
      .flatMap(({ subnets, mtu }) => subnets.map(({ cidr }) => ({ destination: cidr, mtu })));
    return [...own, ...this.#aliases(segments).filter(({ mtu }) => mtu < linkMtu)];
  }

  /** What published ports lead to, where it takes less than the port. */
  #places(published: readonly Publication[]): readonly Reachable[] {
    const linkMtu = this.#linkMtu();
    const { blocks } = this.#parts.wayOut.decision;
    const routes = new Map<string, Reachable>();
    for (const one of published) {
      const { place, mtu } = one;
      const block = blocks.find(({ family }) => family === familyOf(one));
      if (block === undefined || mtu >= linkMtu) continue;
      const destination = blockOf(ownAliasOf(block, place), addressBits(block.family));
      routes.set(formatCidr(destination), { destination, mtu });
    }
    return [...routes.values()];
  }

  /** What tenants leave under, with the largest packet that all of their networks take. */
  #aliases(segments: readonly Segment[]): readonly Reachable[] {
    const mtus = new Map<number, number>();
    for (const { domain, mtu, outside } of segments) {
      if (outside) mtus.set(domain, Math.min(mtu, mtus.get(domain) ?? mtu));
    }
    return [...mtus].flatMap(([domain, mtu]) =>
      this.#parts.wayOut.decision.blocks.map((block: Cidr) => ({
        destination: blockOf(addressesOf(block).alias(domain), addressBits(block.family)),
        mtu,
      })),
    );
  }
}

const isConcerned = ({ outside, reached }: Segment): boolean => outside || reached;

const lostPort = (): FairleadError =>
  new FairleadError(
    'OUTSIDE_FAILED',
    `Open vSwitch does not make link ${hostPortName} of this host: see its log`,
    { fix: `remove or rename another link of the name ${hostPortName}, if there is one` },
  );
