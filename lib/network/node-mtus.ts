/**
 * The smallest path of a cluster, kept up as hosts come and go: any two of them must be able to send one
 * another the packets of a network.
 */
import { linkMtuDefault, vxlanOverheadIpv4Bytes, vxlanOverheadIpv6Bytes } from '../limits.ts';
import type { SiteNode, SiteNetwork } from '../model/site.ts';

type Path = Pick<SiteNode, 'pathMtu' | 'vtep'>;

/** How large a packet of a container may be that travels in VXLAN from this host, bytes. */
export function vxlanMtu({ pathMtu, vtep }: Path): number {
  return pathMtu - (vtep.includes(':') ? vxlanOverheadIpv6Bytes : vxlanOverheadIpv4Bytes);
}

/** The paths of all hosts, with the smallest at hand. */
export class NodeMtus {
  readonly #plain = new Map<number, number>();
  readonly #vxlan = new Map<number, number>();

  /** A host came. */
  add(path: Path): void {
    count(this.#plain, path.pathMtu, 1);
    count(this.#vxlan, vxlanMtu(path), 1);
  }

  /** A host that was added is gone. */
  remove(path: Path): void {
    count(this.#plain, path.pathMtu, -1);
    count(this.#vxlan, vxlanMtu(path), -1);
  }

  /** Largest packet of a network in bytes: what was asked for, or what all hosts can carry. Tags add
   *  nothing to a packet, and machines on the wire that are no hosts of ours take `linkMtuDefault`. */
  of({ mtu, encapsulation }: Pick<SiteNetwork, 'mtu' | 'encapsulation'>): number {
    if (mtu !== undefined) return mtu;
    if (encapsulation.kind === 'vlan') return Math.min(linkMtuDefault, ...this.#plain.keys());
    const sizes = [...this.#vxlan.keys()];
    return sizes.length > 0 ? Math.min(...sizes) : linkMtuDefault - vxlanOverheadIpv4Bytes;
  }
}

function count(sizes: Map<number, number>, size: number, more: 1 | -1): void {
  const left = (sizes.get(size) ?? 0) + more;
  if (left === 0) sizes.delete(size);
  else sizes.set(size, left);
}
