/**
 * Tells a switch in user space the way to other hosts: it asks by itself who has their address, takes long where
 * the kernel has asked before, and has forgotten everything when it was started again.
 */
import type { Links } from '../datapath/link/links.ts';
import { tunnelNeighbours, type TunnelNeighbour } from '../datapath/tunnel-neighbours.ts';
import { runControl } from '../datapath/unix-control.ts';
import { controlSockets } from '../datapath/vswitchd-watch.ts';
import { neighboursToldAtOnce } from '../limits.ts';
import type { Peer } from '../network/world.ts';

/** What it is made of. */
export interface TunnelWayParts {
  readonly links: Pick<Links, 'list' | 'routes' | 'neighbours'>;
  /** Where the sockets of the daemons are. */
  readonly runDirectory: string;
}

/** The ways of one host. */
export class TunnelWays {
  readonly #parts: TunnelWayParts;
  #told: readonly TunnelNeighbour[] = [];

  constructor(parts: TunnelWayParts) {
    this.#parts = parts;
  }

  /**
   * Tells what the kernel knows now.
   * @param userspace the control socket and the bridges of the switch, if it is one in user space
   * @throws OVS_*, LINK_FAILED
   */
  async teach(
    userspace: { readonly path: string; readonly bridges: ReadonlySet<string> } | undefined,
    peers: Iterable<Peer>,
  ): Promise<void> {
    const ends = [...peers].map(({ vtep }) => vtep);
    if (ends.length === 0 || userspace === undefined) return;
    const { links } = this.#parts;
    const [list, routes, neighbours] = await Promise.all([
      links.list(),
      links.routes(),
      links.neighbours(),
    ]);
    const known = { links: list, routes, neighbours };
    this.#told = tunnelNeighbours(known, ends, (link) => userspace.bridges.has(link));
    await tell(userspace.path, this.#told);
  }

  /** Tells a switch that has just been started what was told last. Never fails: it is told again soon. */
  async remind(): Promise<void> {
    if (this.#told.length === 0) return;
    const paths = await controlSockets(this.#parts.runDirectory);
    await Promise.allSettled(paths.map((path) => tell(path, this.#told)));
  }
}

async function tell(path: string, neighbours: readonly TunnelNeighbour[]): Promise<void> {
  for (let from = 0; from < neighbours.length; from += neighboursToldAtOnce) {
    const some = neighbours.slice(from, from + neighboursToldAtOnce);
    await Promise.all(
      some.map(({ bridge, address, mac }) =>
        runControl(path, 'tnl/neigh/set', [bridge, address, mac]),
      ),
    );
  }
}
