/**
 * The smallest path of a cluster, kept up as hosts come and go: any two of them must be able to send one
 * another the packets of a network.
 */
import { linkMtuDefault, vxlanOverheadIpv4Bytes, vxlanOverheadIpv6Bytes } from '../limits.ts';
import type { SiteNode, SiteNetwork } from '../model/site.ts';

type Path = Pick<SiteNode, 'pathMtu' | 'vtep' | 'uplinkMtu'>;

/** How large a packet of a container may be that travels in VXLAN from this host, bytes. */
export function vxlanMtu({ pathMtu, vtep }: Pick<Path, 'pathMtu' | 'vtep'>): number {
  return pathMtu - (vtep.includes(':') ? vxlanOverheadIpv6Bytes : vxlanOverheadIpv4Bytes);
}

/** The paths of all hosts, with the smallest at hand. */
export class NodeMtus {
  readonly #uplinks = new Map<number, number>();
  readonly #vxlan = new Map<number, number>();

  /** A host came. */
  add(path: Path): void {
    this.#count(path, 1);
  }

  /** A host that was added is gone. */
  remove(path: Path): void {
    this.#count(path, -1);
  }

  /** Largest packet of a network in bytes: what was asked for, or what all hosts can carry. Tags add nothing
   *  to a packet: on a VLAN it is what the uplinks carry, as machines there have it, too. */
  of({ mtu, encapsulation }: Pick<SiteNetwork, 'mtu' | 'encapsulation'>): number {
    if (mtu !== undefined) return mtu;
    if (encapsulation.kind === 'vlan') {
      return this.#uplinks.size > 0 ? Math.min(...this.#uplinks.keys()) : linkMtuDefault;
    }
    const sizes = [...this.#vxlan.keys()];
    return sizes.length > 0 ? Math.min(...sizes) : linkMtuDefault - vxlanOverheadIpv4Bytes;
  }

  #count(path: Path, more: 1 | -1): void {
    count(this.#vxlan, vxlanMtu(path), more);
    if (path.uplinkMtu !== undefined) count(this.#uplinks, path.uplinkMtu, more);
  }
}

function count(sizes: Map<number, number>, size: number, more: 1 | -1): void {
  const left = (sizes.get(size) ?? 0) + more;
  if (left === 0) sizes.delete(size);
  else sizes.set(size, left);
}
