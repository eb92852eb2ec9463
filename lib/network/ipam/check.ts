/**
 * Whether all that says who has which address says the same: pools, endpoints and owners in the store, Docker's
 * list, and what the switch lets containers send from. Pure: what was read comes in, what differs comes out.
 * While containers come and go the sides differ for a moment, so callers look twice (`inBoth`).
 */
import { contains, parseAddress, parseCidr } from '../../ip/ip.ts';
import type { Pool, PoolAddress } from '../../model/pool.ts';

/** An address of a pool with its record. */
export interface CheckedRecord {
  readonly address: string;
  readonly record: PoolAddress;
}

/** A pool with its records. `network` is `T:N`, or the Docker network of a pool of one host. */
export interface CheckedPool {
  readonly network: string;
  readonly pool: Pick<Pool, 'space' | 'cidr'>;
  readonly records: readonly CheckedRecord[];
}

/** An endpoint and its addresses, each with the pool of ours that it is of, if it is of one. */
export interface CheckedEndpoint {
  readonly network: string;
  readonly id: string;
  readonly host: string;
  /** Only of endpoints of this host. */
  readonly state?: 'created' | 'joined' | 'left';
  /** The host itself in an infra network: Docker does not know it. */
  readonly ofHost?: boolean;
  readonly addresses: readonly string[];
}

/** Who is said to own an address, so that nobody else gets it. */
export interface CheckedOwner {
  readonly network: string;
  readonly address: string;
  readonly endpointId: string;
}

/** What was read on one host. */
export interface CheckedSides {
  readonly host: string;
  readonly pools: readonly CheckedPool[];
  /** Of all hosts, as everybody sees them. */
  readonly endpoints: readonly CheckedEndpoint[];
  /** This host's own list of its endpoints. */
  readonly own: readonly CheckedEndpoint[];
  readonly owners: readonly CheckedOwner[];
  /** Addresses of shared pools that this host noted as held by it: `network address`. */
  readonly notes: ReadonlySet<string>;
  /** Addresses that networks keep back as long as they are there: `network address`. */
  readonly keptBack: ReadonlySet<string>;
  /** Endpoints that Docker has in networks of ours here; undefined when it could not be asked. */
  readonly docker: readonly CheckedEndpoint[] | undefined;
  /** Ports of endpoints and the addresses they may send from; undefined when there is no switch. */
  readonly ports: readonly CheckedPort[] | undefined;
}

/** The port of an endpoint on the switch. */
export interface CheckedPort {
  readonly endpointId: string;
  readonly name: string;
  readonly addresses: readonly string[];
}

/** What kind of difference it is; words do not change their meaning. */
export type DifferenceKind = keyof typeof fixes;

/** One difference. */
export interface AddressDifference {
  readonly kind: DifferenceKind;
  readonly network: string;
  /** Empty when it is about an endpoint as a whole. */
  readonly address: string;
  /** One sentence. */
  readonly what: string;
  /** What to do. */
  readonly fix: string;
}

const restart = 'start the container again: docker restart CONTAINER';
const waits =
  'wait a minute and check again: the agent puts this right while Docker and the store answer';

/** What to do about each kind. */
const fixes = {
  RECORD_UNCLAIMED: `${waits}; before, see that no docker run is under way`,
  RECORD_WITHOUT_ENDPOINT: waits,
  ENDPOINT_NOT_RECORDED: restart,
  ENDPOINT_NOT_OWNER: restart,
  OWNER_WITHOUT_ENDPOINT:
    'remove the network and create it again, or report this with fairlead cluster status',
  ENDPOINT_NOT_SHOWN: restart,
  NOTE_MISSING: 'give the address back with the container: docker rm, then check again',
  NOTE_LEFT: waits,
  DOCKER_ONLY: restart,
  DOCKER_MISSING: waits,
  DOCKER_ADDRESS: restart,
  PORT_MISSING: `${waits}; if it stays, ${restart}`,
  PORT_LEFT: waits,
  PORT_ADDRESS: waits,
} as const;

type Say = (kind: DifferenceKind, network: string, address: string, what: string) => void;

/** Everything that differs, by network and address. */
export function checkAddresses(sides: CheckedSides): readonly AddressDifference[] {
  const found: AddressDifference[] = [];
  const say: Say = (kind, network, address, what) => {
    found.push({ kind, network, address, what, fix: fixes[kind] });
  };
  checkRecords(sides, say);
  checkEndpoints(sides, say);
  checkNotes(sides, say);
  if (sides.docker !== undefined) checkDocker(sides.own, sides.docker, say);
  if (sides.ports !== undefined) checkPorts(sides.own, sides.ports, say);
  const text = ({ network, address, kind, what }: AddressDifference): string =>
    [network, address, kind, what].join(' ');
  return found.toSorted((one, other) => (text(one) < text(other) ? -1 : 1));
}

/** Those of the second look that the first had, too. */
export function inBoth(
  first: readonly AddressDifference[],
  second: readonly AddressDifference[],
): readonly AddressDifference[] {
  const seen = new Set(first.map(({ what }) => what));
  return second.filter(({ what }) => seen.has(what));
}

const at = (network: string, address: string): string => `${network} ${address}`;
const short = (id: string): string => id.slice(0, 12);

/** An address that is held is somebody's. */
function checkRecords({ pools, endpoints, host, keptBack }: CheckedSides, say: Say): void {
  const has = new Set(
    endpoints.flatMap(({ network, id, addresses }) =>
      addresses.map((address) => `${id} ${at(network, address)}`),
    ),
  );
  for (const { network, records } of pools) {
    for (const { address, record } of records) {
      if (record.state !== 'held' || (record.use !== 'other' && record.use !== 'swarm')) continue;
      // what a swarm's managers hold is no host's
      const { endpointId, host: holder = record.use === 'swarm' ? undefined : host } = record;
      if (endpointId !== undefined) {
        if (has.has(`${endpointId} ${at(network, address)}`)) continue;
        const whose = holder === undefined ? 'a swarm' : `host ${holder}`;
        const what = `${address} is held by endpoint ${short(endpointId)} of ${whose}, which does not have it`;
        say('RECORD_WITHOUT_ENDPOINT', network, address, what);
      } else if (holder === host && !keptBack.has(at(network, address))) {
        const what = `${address} is held by host ${holder}, and no container has it`;
        say('RECORD_UNCLAIMED', network, address, what);
      }
    }
  }
}

/** An endpoint holds its addresses, and owns them. */
function checkEndpoints({ pools, endpoints, own, owners, host }: CheckedSides, say: Say): void {
  const records = new Map(
    pools.flatMap(({ network, records: all }) =>
      all.map(({ address, record }) => [at(network, address), record] as const),
    ),
  );
  const isPooled = (network: string, address: string): boolean =>
    pools.some(
      (one) => one.network === network && contains(parseCidr(one.pool.cidr), parseAddress(address)),
    );
  const owning = new Map(owners.map((one) => [at(one.network, one.address), one.endpointId]));
  const having = new Set<string>();
  for (const { network, id, host: home, addresses } of endpoints) {
    for (const address of addresses) {
      const place = at(network, address);
      having.add(`${id} ${place}`);
      const record = records.get(place);
      const isHeld = record?.state === 'held' && record.endpointId === id;
      const who = `endpoint ${short(id)} of host ${home}`;
      if (!isHeld && isPooled(network, address)) {
        const state = record?.state === 'held' ? `held by ${holderOf(record)}` : 'free';
        say(
          'ENDPOINT_NOT_RECORDED',
          network,
          address,
          `${who} has ${address}, which is ${state} in its pool`,
        );
      }
      if (owning.get(place) !== id) {
        say(
          'ENDPOINT_NOT_OWNER',
          network,
          address,
          `${who} has ${address} and is not noted as its owner`,
        );
      }
    }
  }
  for (const { network, address, endpointId } of owners) {
    if (having.has(`${endpointId} ${at(network, address)}`)) continue;
    const what = `${address} has endpoint ${short(endpointId)} as its owner, which does not have it`;
    say('OWNER_WITHOUT_ENDPOINT', network, address, what);
  }
  const shown = new Map(endpoints.map((one) => [one.id, one]));
  for (const { id, network, addresses } of own) {
    const seen = shown.get(id);
    const same = seen?.host === host && seen.addresses.join() === addresses.join();
    if (same) continue;
    const what = `endpoint ${short(id)} of this host has ${list(addresses)}, others see ${seen === undefined ? 'nothing of it' : list(seen.addresses)}`;
    say('ENDPOINT_NOT_SHOWN', network, '', what);
  }
}

/** A host finds what is its own by its notes. */
function checkNotes({ pools, notes, host }: CheckedSides, say: Say): void {
  const held = new Set<string>();
  for (const { network, records } of pools) {
    for (const { address, record } of records) {
      if (record.state !== 'held' || record.host !== host) continue;
      held.add(at(network, address));
      if (notes.has(at(network, address))) continue;
      const what = `${address} is held by this host, which has no note of it and would not give it back`;
      say('NOTE_MISSING', network, address, what);
    }
  }
  for (const note of notes) {
    if (held.has(note)) continue;
    const [network = '', address = ''] = note.split(' ');
    say(
      'NOTE_LEFT',
      network,
      address,
      `this host noted ${address} as held, which it does not hold`,
    );
  }
}

function checkDocker(
  own: readonly CheckedEndpoint[],
  docker: readonly CheckedEndpoint[],
  say: Say,
): void {
  const ours = new Map(own.map((one) => [one.id, one]));
  const theirs = new Map(docker.map((one) => [one.id, one]));
  for (const { id, network, addresses } of docker) {
    const known = ours.get(id);
    if (known === undefined) {
      const what = `Docker has endpoint ${short(id)} with ${list(addresses)}, which is not known here`;
      say('DOCKER_ONLY', network, addresses[0] ?? '', what);
    } else if (addresses.join() !== known.addresses.join()) {
      const what = `endpoint ${short(id)} has ${list(known.addresses)}, by Docker's list ${list(addresses)}`;
      say('DOCKER_ADDRESS', network, known.addresses[0] ?? '', what);
    }
  }
  for (const { id, network, addresses, ofHost } of own) {
    if (theirs.has(id) || ofHost === true) continue;
    const what = `endpoint ${short(id)} has ${list(addresses)}, and Docker does not have it`;
    say('DOCKER_MISSING', network, addresses[0] ?? '', what);
  }
}

function checkPorts(
  own: readonly CheckedEndpoint[],
  ports: readonly CheckedPort[],
  say: Say,
): void {
  const ours = new Map(own.map((one) => [one.id, one]));
  const there = new Map(ports.map((one) => [one.endpointId, one]));
  for (const { id, network, addresses, state } of own) {
    const port = there.get(id);
    if (state !== 'joined') continue;
    const [first = ''] = addresses;
    if (port === undefined) {
      const what = `endpoint ${short(id)} with ${list(addresses)} has no port on the switch`;
      say('PORT_MISSING', network, first, what);
    } else if (port.addresses.join() !== addresses.join()) {
      const what = `endpoint ${short(id)} has ${list(addresses)}, its port ${port.name} may send from ${list(port.addresses)}`;
      say('PORT_ADDRESS', network, first, what);
    }
  }
  for (const { endpointId, name, addresses } of ports) {
    if (ours.has(endpointId)) continue;
    const what = `port ${name} is for endpoint ${short(endpointId)}, which is not there, and may send from ${list(addresses)}`;
    say('PORT_LEFT', '', addresses[0] ?? '', what);
  }
}

function holderOf({ endpointId, use, host = '' }: PoolAddress): string {
  if (endpointId !== undefined) return `endpoint ${short(endpointId)}`;
  return use === 'other' ? `host ${host} for nobody` : `a ${use}`;
}

const list = (addresses: readonly string[]): string => addresses.join(' and ') || 'no address';
