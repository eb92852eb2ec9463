/** A kernel's links, addresses and routes on paper, with the pairs of links that a switch makes of endpoints. */
import type { InfraLinksParts } from '../../lib/datapath/infra/infra-links.ts';
import type { Link, LinkAddress, LinkRoute, Route } from '../../lib/datapath/link/links.ts';
import { formatAddress, formatCidr } from '../../lib/ip/ip.ts';
import { linkAlias, type PortSpec } from '../../lib/network/port.ts';

type Calls = InfraLinksParts['links'];

/** What a kernel has, and what was done to it. */
export class PaperKernel {
  links: Link[] = [];
  addresses: LinkAddress[] = [];
  routes: Route[] = [];
  readonly settings = new Map<string, string>();
  done: string[] = [];
  /** Called before each change, which it may keep from being made. */
  before: (what: string) => void = () => {};
  #index = 10;

  /** A link that is there. */
  has(name: string, more: Partial<Link> = {}): Link {
    const made: Link = {
      ...{ index: ++this.#index, name, mac: '02:00:00:00:00:01', mtu: 1500 },
      ...{ up: false, running: true, promiscuous: false, group: 0 },
      ...more,
    };
    this.links.push(made);
    return made;
  }

  /** What there is, a line each. */
  get listing(): readonly string[] {
    return [
      ...this.links.map(({ name, up }) => `${name} ${up ? 'up' : 'down'}`),
      ...this.addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
      ...this.routes.map(
        ({ destination, gateway, ours }) =>
          `${destination} ${gateway ?? '-'} ${ours?.source ?? '-'} ${ours?.mtu ?? '-'}`,
      ),
    ];
  }

  /** Takes links away, with all that is on them. */
  drop(isGone: (link: Link) => boolean): void {
    const gone = new Set(this.links.filter(isGone).map(({ index }) => index));
    this.links = this.links.filter(({ index }) => !gone.has(index));
    this.addresses = this.addresses.filter(({ index }) => !gone.has(index));
    this.routes = this.routes.filter(({ outIndex = 0 }) => !gone.has(outIndex));
  }

  /** What the switch does of an endpoint that is gone. */
  release(endpointId: string): void {
    this.drop(({ alias }) => alias === linkAlias(endpointId));
  }

  readonly parts: Pick<InfraLinksParts, 'links' | 'settings' | 'attach'> = {
    links: {
      list: async () => [...this.links],
      addresses: async () => [...this.addresses],
      routes: async () => [...this.routes],
      mark: async (index) => {
        this.#change('mark');
        this.links = this.links.map((one) => (one.index === index ? { ...one, up: true } : one));
      },
      remove: async (name, alias) => {
        const isThere = this.links.some((one) => one.name === name);
        if (!isThere) return false;
        this.#change(`remove ${name}`);
        this.drop((one) => one.alias === alias);
        return true;
      },
      changeAddress: async (...asked) => this.#changeAddress(...asked),
      changeRoute: async (...asked) => this.#changeRoute(...asked),
    },
    settings: {
      setOwn: async (path, value) => {
        if (this.settings.get(path) === value) return;
        this.#change(path);
        this.settings.set(path, value);
      },
    },
    attach: async (port, isLost) => {
      this.#change(isLost ? 'make' : 'adopt');
      if (isLost) this.#pair(port);
      const { containerLink, mac, mtu } = port;
      this.links = this.links.map((one) =>
        one.name === containerLink ? { ...one, mac, mtu } : one,
      );
    },
  };

  #change(what: string): void {
    this.before(what);
    this.done.push(what);
  }

  #pair({ endpointId, hostLink, containerLink, mac, mtu }: PortSpec): void {
    const both = { kind: 'veth', alias: linkAlias(endpointId), mtu } as const;
    const outer = this.has(hostLink, { ...both, up: true });
    this.has(containerLink, { ...both, mac, peerIndex: outer.index });
  }

  #changeAddress(...[change, index, one]: Parameters<Calls['changeAddress']>) {
    const { address, prefixLength } = one;
    const text = formatAddress(address);
    const found = {
      ...{ index, family: address.family, address: text, prefixLength },
      unchosen: true,
    } as const;
    this.#change(`${change} ${found.address}/${prefixLength}`);
    const others = this.addresses.filter(
      (each) => each.address !== found.address || each.prefixLength !== prefixLength,
    );
    this.addresses = change === 'add' ? [...others, found] : others;
  }

  #changeRoute(...[change, index, one]: Parameters<Calls['changeRoute']>): boolean {
    const { destination: block, via, source, mtu } = one satisfies LinkRoute;
    const destination = formatCidr(block);
    const isThere = this.routes.some((each) => each.destination === destination);
    if (change === 'add' && isThere) return false;
    this.#change(`${change} ${destination}`);
    this.routes = this.routes.filter((each) => each.destination !== destination);
    if (change === 'remove') return true;
    this.routes.push({
      ...{ family: block.family, destination, table: 254, type: 1, outIndex: index },
      ...(via === undefined ? {} : { gateway: formatAddress(via) }),
      ours: {
        ...(source === undefined ? {} : { source: formatAddress(source) }),
        ...(mtu === undefined ? {} : { mtu }),
      },
    });
    return true;
  }
}
