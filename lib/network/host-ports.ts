/**
 * Which ports of a host a container gets that asks for some (`docker run -p`): those that it names, or free ones. One
 * port of a host leads to one container: neither another container's nor one that a process of the host listens on is
 * given. Pure.
 */
import { FairleadError } from '../errors.ts';
import { formatAddress, parseAddress, type IpFamily } from '../ip/ip.ts';
import { publishedPortMax, publishedPortMin, publishedPortsMax } from '../limits.ts';
import {
  anyAddress,
  describePublished,
  familyOf,
  type PublishedPort,
  type PublishedProtocol,
} from '../model/published.ts';

/** One `-p` as the engine asks for it. */
export interface PortRequest {
  /** IP protocol. */
  readonly protocol: number;
  /** The container's. */
  readonly port: number;
  /** Of the host; empty for all that it has. */
  readonly hostAddress: string;
  /** Of the host's ports any of these; 0 for any that is free. */
  readonly first: number;
  readonly last: number;
}

/** A socket of the host that takes what comes to a port. */
export interface Listener {
  readonly protocol: PublishedProtocol;
  /** Canonical; `::` takes IPv4, too. */
  readonly address: string;
  readonly port: number;
}

/** A port of the host that a container has. */
export interface TakenPort extends PublishedPort {
  readonly endpointId: string;
}

/** What a choice is made from. */
export interface PortChoice {
  readonly asked: readonly PortRequest[];
  /** Families in which the container has an address and the host a way out. */
  readonly families: readonly IpFamily[];
  /** The host's addresses, canonical. */
  readonly addresses: ReadonlySet<string>;
  readonly listeners: readonly Listener[];
  /** What other containers have. */
  readonly taken: readonly TakenPort[];
  /** What the container has by another of its networks: that one goes on. */
  readonly elsewhere: readonly PublishedPort[];
  /** What it has already, which it keeps. */
  readonly before: readonly PublishedPort[];
  /** The port that was chosen last on this host. */
  readonly cursor: number;
}

/** What was chosen, and which port was chosen last. */
export interface ChosenPorts {
  readonly ports: readonly PublishedPort[];
  readonly cursor: number;
}

const protocols = new Map<number, PublishedProtocol>([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
]);

/** A request, understood. */
interface Wanted {
  readonly protocol: PublishedProtocol;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly first: number;
  readonly last: number;
  readonly isAny: boolean;
}

/** Chooses. Refuses with PORT_IN_USE, PUBLISH_REFUSED, REQUEST_INVALID. */
export function chooseHostPorts(choice: PortChoice): ChosenPorts {
  const wanted = choice.asked.map((request) => understood(request, choice));
  const count = wanted.reduce((sum, { addresses }) => sum + addresses.length, 0);
  if (count > publishedPortsMax) {
    throw new FairleadError(
      'PUBLISH_REFUSED',
      `a container publishes ${publishedPortsMax} ports of a host at most, IPv4 and IPv6 counted apart; this one asks for ${count}`,
      { fix: 'publish fewer, or reach the container from its own network' },
    );
  }
  const used = new UsedPorts(choice);
  const kept = new KeptPorts(choice.before);
  const ports = new Map<Wanted, readonly PublishedPort[]>();
  let { cursor } = choice;
  // who names a port gets it, whatever others of the container would also be content with
  const byNeed = wanted.toSorted((a, b) => a.last - a.first - (b.last - b.first));
  for (const one of byNeed) {
    const hostPort = kept.of(one, used) ?? freePort(one, used, cursor);
    if (one.isAny) cursor = hostPort;
    ports.set(one, used.take(one, hostPort));
  }
  return { ports: distinct(wanted.flatMap((one) => ports.get(one) ?? [])), cursor };
}

function understood(request: PortRequest, choice: PortChoice): Wanted {
  const { port, first } = request;
  const protocol = protocols.get(request.protocol);
  if (protocol === undefined) {
    throw new FairleadError(
      'PUBLISH_REFUSED',
      `IP protocol ${request.protocol} has no ports that are published`,
      { fix: 'publish TCP, UDP or SCTP' },
    );
  }
  const last = request.last === 0 ? first : request.last;
  const isRange = first === 0 ? last === 0 : first <= last;
  if (port === 0 || !isRange) {
    throw new FairleadError(
      'REQUEST_INVALID',
      `port ${port} cannot be published as ${first}-${last} of the host`,
    );
  }
  const elsewhere = (address: string): boolean =>
    choice.elsewhere.some(
      (one) => one.protocol === protocol && one.port === port && one.address === address,
    );
  const addresses = addressesFor(request, choice).filter((address) => !elsewhere(address));
  return first === 0
    ? { protocol, port, addresses, first: publishedPortMin, last: publishedPortMax, isAny: true }
    : { protocol, port, addresses, first, last, isAny: false };
}

/** Where of the host a port is taken. */
function addressesFor({ hostAddress }: PortRequest, choice: PortChoice): readonly string[] {
  const { families, addresses } = choice;
  if (hostAddress === '') return families.map((family) => anyAddress[family]);
  const address = parseAddress(hostAddress);
  const text = formatAddress(address);
  const isAny = text === anyAddress[address.family];
  if (!families.includes(address.family)) {
    throw new FairleadError(
      'PUBLISH_REFUSED',
      `nothing can be published at ${text}: the container has no IPv${address.family} address, or this host no way out for it`,
      {
        fix: 'publish at an address of the other family, or give the network a subnet of this one',
      },
    );
  }
  if (text === '::1') {
    throw new FairleadError('PUBLISH_REFUSED', 'nothing can be published at ::1', {
      fix: 'publish at 127.0.0.1, or at an address of the host',
    });
  }
  if (isAny || text.startsWith('127.') || addresses.has(text)) return [text];
  throw new FairleadError('PUBLISH_REFUSED', `${text} is no address of this host`, {
    fix: 'publish at an address that the host has: ip address show',
  });
}

/** What a container has already. */
class KeptPorts {
  readonly #ports = new Map<string, number[]>();
  readonly #texts: ReadonlySet<string>;

  constructor(before: readonly PublishedPort[]) {
    this.#texts = new Set(before.map(describePublished));
    for (const { protocol, port, hostPort } of before) {
      const key = `${protocol} ${port}`;
      this.#ports.set(key, [...(this.#ports.get(key) ?? []), hostPort]);
    }
  }

  /** The port that it has, if that is one of those it asks for. */
  of({ protocol, port, addresses, first, last }: Wanted, used: UsedPorts): number | undefined {
    const isHad = (hostPort: number): boolean =>
      addresses.every((address) =>
        this.#texts.has(describePublished({ protocol, port, address, hostPort })),
      );
    return this.#ports
      .get(`${protocol} ${port}`)
      ?.find(
        (hostPort) =>
          hostPort >= first &&
          hostPort <= last &&
          isHad(hostPort) &&
          used.byContainers({ protocol, port, addresses }, hostPort) === undefined,
      );
  }
}

function freePort(wanted: Wanted, used: UsedPorts, cursor: number): number {
  const { first, last, protocol } = wanted;
  const count = last - first + 1;
  const offset = wanted.isAny && cursor >= first ? cursor + 1 - first : 0;
  for (let step = 0; step < count; step++) {
    const hostPort = first + ((offset + step) % count);
    if (used.by(wanted, hostPort) === undefined) return hostPort;
  }
  const what =
    count === 1
      ? `port ${first}/${protocol} of this host is ${used.by(wanted, first)}`
      : `none of the ports ${first}-${last}/${protocol} of this host is free`;
  throw new FairleadError('PORT_IN_USE', what);
}

/** Who uses which port. */
class UsedPorts {
  readonly #taken = new Map<string, { readonly address: string; readonly by: string }[]>();
  readonly #listened = new Map<string, string[]>();

  constructor({ taken, listeners }: PortChoice) {
    for (const one of taken) this.#add(one, `published by endpoint ${one.endpointId}`);
    for (const { protocol, port, address } of listeners) {
      const key = `${protocol} ${port}`;
      this.#listened.set(key, [...(this.#listened.get(key) ?? []), address]);
    }
  }

  /** What a port is used for; undefined for one that is free. */
  by(wanted: Wanted, hostPort: number): string | undefined {
    const container = this.byContainers(wanted, hostPort);
    if (container !== undefined) return container;
    const heard = this.#listened.get(`${wanted.protocol} ${hostPort}`) ?? [];
    const at = heard.find((address) => wanted.addresses.some((one) => hears(address, one)));
    return at === undefined ? undefined : `used by a process that listens at ${at}`;
  }

  /** The same, of containers alone. */
  byContainers(
    { protocol, port, addresses }: Pick<Wanted, 'protocol' | 'port' | 'addresses'>,
    hostPort: number,
  ): string | undefined {
    const others = this.#taken.get(`${protocol} ${hostPort}`) ?? [];
    return others.find(({ address, by }) =>
      // the same twice is once
      addresses.some((one) => meets(one, address) && !(by === own(port) && one === address)),
    )?.by;
  }

  /** A port is the container's from now on. */
  take({ protocol, port, addresses }: Wanted, hostPort: number): readonly PublishedPort[] {
    const ports = addresses.map((address) => ({ protocol, address, hostPort, port }));
    for (const one of ports) this.#add(one, own(port));
    return ports;
  }

  #add({ protocol, hostPort, address }: PublishedPort, by: string): void {
    const key = `${protocol} ${hostPort}`;
    this.#taken.set(key, [...(this.#taken.get(key) ?? []), { address, by }]);
  }
}

const own = (port: number): string => `asked for twice, also for port ${port} of the container`;

const isAnyAddress = (address: string): boolean =>
  address === anyAddress[4] || address === anyAddress[6];

/** Whether something may come to both addresses. */
function meets(one: string, other: string): boolean {
  if (familyOf({ address: one }) !== familyOf({ address: other })) return false;
  return one === other || isAnyAddress(one) || isAnyAddress(other);
}

/** Whether a socket at an address takes what comes to another. */
const hears = (listening: string, address: string): boolean =>
  listening === anyAddress[6] || meets(listening, address);

const distinct = (ports: readonly PublishedPort[]): readonly PublishedPort[] => [
  ...new Map(ports.map((one) => [describePublished(one), one])).values(),
];
