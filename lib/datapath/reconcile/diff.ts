/**
 * Desired against observed: which ports and links have to come, change or go. Pure. First start,
 * restart and drift all use this one comparison (DESIGN I4). It only ever names what carries our mark
 * (I5); it knows nothing of how the changes are made.
 *
 * The observation must be taken before the desired state is read: a Join writes its intent before it
 * makes anything, so whatever was observed and is not desired is really unwanted.
 */
import type { PortSpec } from '../../network/port.ts';

/** A port of our bridge that carries our mark. */
export interface ObservedPort {
  readonly name: string;
  readonly endpointId: string;
  readonly networkId: string;
  /** OpenFlow number that it was given; undefined for one that was given none. */
  readonly number: number | undefined;
  /** Set by vswitchd when it could not use the link. */
  readonly error: string | undefined;
  /** False when some other setting of the row (mode, marks) is not as we make it. */
  readonly intact: boolean;
}

/** A host link that carries our mark. */
export interface ObservedLink {
  readonly name: string;
  readonly endpointId: string;
  readonly mtu: number;
  readonly up: boolean;
}

/** What is there. */
export interface Observation {
  readonly ports: readonly ObservedPort[];
  readonly links: readonly ObservedLink[];
}

/** What has to be done, each list in the order of names so that runs are repeatable. */
export interface Difference {
  /** Ports missing although their link exists. */
  readonly addPorts: readonly PortSpec[];
  /** Ports whose settings are not as desired. */
  readonly fixPorts: readonly PortSpec[];
  /** Ports vswitchd could not use although their link exists: to be removed and made again. */
  readonly remakePorts: readonly PortSpec[];
  /** Names of ports of ours that nobody wants, or whose link is gone. */
  readonly removePorts: readonly string[];
  /** Links whose settings are not as desired. */
  readonly fixLinks: readonly PortSpec[];
  /** Links of ours (host ends or stranded container ends) that nobody wants. */
  readonly removeLinks: readonly ObservedLink[];
  /** Endpoints that should be attached but have no link: only the container's restart makes one. */
  readonly detached: readonly PortSpec[];
}

/** Compares. `desired` is keyed by endpoint id. */
export function difference(
  desired: ReadonlyMap<string, PortSpec>,
  observed: Observation,
): Difference {
  const ports = new Map(observed.ports.map((port) => [port.name, port]));
  const links = new Map(observed.links.map((link) => [link.name, link]));
  const specs = [...desired.values()].toSorted(byHostLink);
  const attached = specs.filter(({ hostLink }) => links.has(hostLink));
  const wanted = new Set(attached.map(({ hostLink }) => hostLink));
  return {
    addPorts: attached.filter(({ hostLink }) => !ports.has(hostLink)),
    fixPorts: attached.filter((spec) => {
      const port = ports.get(spec.hostLink);
      return port !== undefined && port.error === undefined && !portMatches(port, spec);
    }),
    remakePorts: attached.filter(({ hostLink }) => ports.get(hostLink)?.error !== undefined),
    removePorts: observed.ports
      .map(({ name }) => name)
      .filter((name) => !wanted.has(name))
      .toSorted(),
    fixLinks: attached.filter((spec) => {
      const link = links.get(spec.hostLink);
      return link !== undefined && (!link.up || link.mtu !== spec.mtu);
    }),
    removeLinks: observed.links
      .filter(({ endpointId }) => !desired.has(endpointId))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    detached: specs.filter(({ hostLink }) => !links.has(hostLink)),
  };
}

/** How many things there are to do; detached endpoints are a condition, not work. */
export function countWork(changes: Difference): number {
  const { detached: _condition, ...work } = changes;
  return Object.values(work).reduce((sum, list) => sum + list.length, 0);
}

/** True when there is nothing to do. */
export const isSettled = (changes: Difference): boolean => countWork(changes) === 0;

function portMatches(port: ObservedPort, spec: PortSpec): boolean {
  return (
    port.intact &&
    port.number !== undefined &&
    port.endpointId === spec.endpointId &&
    port.networkId === spec.networkId
  );
}

function byHostLink(a: PortSpec, b: PortSpec): number {
  return a.hostLink < b.hostLink ? -1 : 1;
}
