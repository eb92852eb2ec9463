/** Changes of a site, drawn one after another; each leaves a site that could be. */
import type { Random } from '../../../sim/random.ts';
import type { DrawnEndpoint, DrawnNetwork, DrawnNode, World } from './world.ts';

const networksMax = 9;
const endpointsMax = 24;
const blocks = 6;

/** Who takes part. */
export interface Cast {
  /** Hosts with a real Open vSwitch; they stay. */
  readonly real: ReadonlyMap<string, DrawnNode>;
  readonly ghosts: readonly string[];
}

/** A change: what it is, in words, and the world after it. */
export interface DrawnChange {
  readonly what: string;
  readonly world: World;
}

/** Draws changes. Numbers are never given again. */
export class ChangeSource {
  readonly #random: Random;
  readonly #cast: Cast;
  #networks = 0;
  #endpoints = 0;
  #nodes = 100;

  constructor(random: Random, cast: Cast) {
    this.#random = random;
    this.#cast = cast;
  }

  /** The next change of a world. */
  next(world: World): DrawnChange {
    for (;;) {
      const draw = this.#random.next();
      const change =
        draw < 0.1
          ? this.#addNetwork(world)
          : draw < 0.13
            ? this.#removeNetwork(world)
            : draw < 0.28
              ? this.#changeNetwork(world)
              : draw < 0.66
                ? this.#addEndpoint(world)
                : draw < 0.84
                  ? this.#removeEndpoint(world)
                  : draw < 0.9
                    ? this.#moveEndpoint(world)
                    : this.#changeNode(world);
      if (change !== undefined) return change;
    }
  }

  #addNetwork(world: World): DrawnChange | undefined {
    if (world.networks.size >= networksMax) return undefined;
    const random = this.#random;
    const tenant = 1 + random.below(3);
    const taken = new Set(
      [...world.networks.values()].flatMap((each) => (each.tenant === tenant ? each.block : [])),
    );
    const free = Array.from({ length: blocks }, (_, at) => at).filter((at) => !taken.has(at));
    if (free.length === 0) return undefined;
    this.#networks += 1;
    const network: DrawnNetwork = {
      number: this.#networks,
      tenant,
      block: random.pick(free),
      ...this.#encapsulation(),
      families: random.pick(['v4', 'v6', 'both', 'both']),
      hasGateway: !random.chance(0.2),
      routed: !random.chance(0.25),
      arp: random.chance(0.25) ? 'flood' : 'proxy',
      mtu: this.#mtu(),
    };
    return withNetwork(world, network, `network ${describe(network)} comes`);
  }

  #encapsulation(): Pick<DrawnNetwork, 'encapsulation' | 'tag'> {
    // the number of a network is never another's, and so is what stands for it on the way
    return this.#random.chance(0.15)
      ? { encapsulation: 'vlan', tag: 1 + (this.#networks % 4_000) }
      : {
          encapsulation: 'vxlan',
          tag: this.#random.chance(0.5) ? this.#networks : 0x80_0000 + this.#networks,
        };
  }

  #mtu(): number | undefined {
    return this.#random.pick([undefined, undefined, 1_400, 1_450]);
  }

  #removeNetwork(world: World): DrawnChange | undefined {
    const network = this.#pick(world.networks);
    if (network === undefined) return undefined;
    const networks = new Map(world.networks);
    networks.delete(network.number);
    const endpoints = new Map(
      [...world.endpoints].filter(([, each]) => each.network !== network.number),
    );
    return { what: `network ${network.number} goes`, world: { ...world, networks, endpoints } };
  }

  #changeNetwork(world: World): DrawnChange | undefined {
    const network = this.#pick(world.networks);
    if (network === undefined) return undefined;
    const { arp, routed, hasGateway } = network;
    const random = this.#random;
    const changed: DrawnNetwork = {
      ...network,
      ...random.pick<Partial<DrawnNetwork>>([
        { mtu: this.#mtu() },
        { arp: arp === 'proxy' ? 'flood' : 'proxy' },
        { routed: !routed },
        { hasGateway: !hasGateway },
        network.encapsulation === 'vxlan' ? { tag: network.tag ^ 0x40_0000 } : {},
      ]),
    };
    return withNetwork(world, changed, `network ${describe(changed)} is so now`);
  }

  #addEndpoint(world: World): DrawnChange | undefined {
    const network = this.#pick(world.networks);
    if (network === undefined || world.endpoints.size >= endpointsMax) return undefined;
    const { real, ghosts } = this.#cast;
    this.#endpoints += 1;
    // addresses come round
    const isTaken = [...world.endpoints.values()].some(
      (each) => each.number % 200 === this.#endpoints % 200,
    );
    if (isTaken) return undefined;
    const host = this.#random.pick([...real.keys(), ...real.keys(), ...ghosts]);
    return withEndpoint(world, { number: this.#endpoints, network: network.number, host }, 'comes');
  }

  #removeEndpoint(world: World): DrawnChange | undefined {
    const endpoint = this.#pick(world.endpoints);
    if (endpoint === undefined) return undefined;
    const endpoints = new Map(world.endpoints);
    endpoints.delete(endpoint.number);
    return { what: `container ${endpoint.number} goes`, world: { ...world, endpoints } };
  }

  /** To another ghost: on a real host an endpoint never comes from elsewhere under its old id. */
  #moveEndpoint(world: World): DrawnChange | undefined {
    const endpoint = this.#pick(world.endpoints);
    if (endpoint === undefined || this.#cast.real.has(endpoint.host)) return undefined;
    const host = this.#random.pick(this.#cast.ghosts);
    return withEndpoint(world, { ...endpoint, host }, 'is now');
  }

  #changeNode(world: World): DrawnChange {
    const random = this.#random;
    const name = random.pick(this.#cast.ghosts);
    const nodes = new Map(world.nodes);
    const before = nodes.get(name);
    if (before !== undefined && random.chance(0.3)) {
      nodes.delete(name);
      return { what: `host ${name} goes`, world: { ...world, nodes } };
    }
    this.#nodes += 1;
    const fresh: DrawnNode = {
      number: this.#nodes,
      vtep: this.#freeVtep(world),
      pathMtu: random.pick([1_500, 1_500, 1_400, 9_000]),
    };
    const node =
      before !== undefined && random.chance(0.5) ? { ...fresh, number: before.number } : fresh;
    nodes.set(name, node);
    return { what: `host ${name} is ${JSON.stringify(node)}`, world: { ...world, nodes } };
  }

  /** Where no other host is: a packet that goes there would say nothing of whom it is for. */
  #freeVtep(world: World): string {
    const random = this.#random;
    const taken = new Set([...world.nodes.values()].map(({ vtep }) => vtep));
    for (;;) {
      const low = 1 + random.below(250);
      const vtep = random.chance(0.3) ? `fd00:198:18::${low.toString(16)}:1` : `198.18.1.${low}`;
      if (!taken.has(vtep)) return vtep;
    }
  }

  #pick<T>(things: ReadonlyMap<unknown, T>): T | undefined {
    return things.size === 0 ? undefined : this.#random.pick([...things.values()]);
  }
}

const describe = (network: DrawnNetwork): string => JSON.stringify(network);

function withNetwork(world: World, network: DrawnNetwork, what: string): DrawnChange {
  return {
    what,
    world: { ...world, networks: new Map(world.networks).set(network.number, network) },
  };
}

function withEndpoint(world: World, endpoint: DrawnEndpoint, verb: string): DrawnChange {
  return {
    what: `container ${endpoint.number} ${verb} in network ${endpoint.network} on ${endpoint.host}`,
    world: { ...world, endpoints: new Map(world.endpoints).set(endpoint.number, endpoint) },
  };
}
