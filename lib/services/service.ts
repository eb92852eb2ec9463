/** A service as it is written, as data: ports in numbers, labels in pairs. The README says what services mean. */
import { assert } from '../assert.ts';
import { readRequirements, type LabelRequirement } from '../model/labels.ts';
import type { EarlierService, ServiceLbConfig } from '../model/objects/service-lb.ts';

/** What is spoken to a service. */
export type ServiceProtocol = 'tcp' | 'udp' | 'sctp';

/** A port of a service. */
export interface ServicePort {
  readonly protocol: ServiceProtocol;
  /** What clients speak to. */
  readonly port: number;
  /** What the containers behind it listen to. */
  readonly target: number;
}

/** Who stays with whom: a connection with its container, or all connections of a client. */
export type Affinity = 'connection' | 'client';

/** How often and how long the TCP ports of containers behind a service are asked. */
export interface ServiceCheck {
  readonly intervalMs: number;
  /** No more than the interval. */
  readonly timeoutMs: number;
  /** Rounds that fail one after the other until a container is not ready, 1 or more. */
  readonly failures: number;
}

/** What a service asks for. */
export interface ServiceSpec {
  /** The network that its address is of. */
  readonly network: string;
  /** Labels that a container has to have, all of them. */
  readonly selectors: readonly LabelRequirement[];
  readonly ports: readonly ServicePort[];
  readonly affinity: Affinity;
  readonly check: ServiceCheck | undefined;
  /** What it asked for before: connections from then go on. */
  readonly earlier: {
    readonly selectors: readonly (readonly LabelRequirement[])[];
    /** Those of then that are not its own now, each once. */
    readonly ports: readonly ServicePort[];
  };
}

/**
 * Reads a service that the model has taken. Of two that are written alike one is left, as of two ports with one
 * number and protocol the first.
 */
export function readService(
  config: ServiceLbConfig,
  earlier: readonly EarlierService[] = [],
): ServiceSpec {
  const ports = readPorts(config.ports);
  const own = new Set(ports.map(textOf));
  const before = new Map(
    earlier
      .flatMap((each) => readPorts(each.ports))
      .filter((port) => !own.has(textOf(port)))
      .map((port) => [textOf(port), port] as const),
  );
  return {
    network: config.networkName,
    selectors: readRequirements(config.selectors),
    ports,
    affinity: config.affinity === 'client' ? 'client' : 'connection',
    check: readCheck(config),
    earlier: {
      selectors: earlier.map(({ selectors }) => readRequirements(selectors)),
      ports: [...before.values()],
    },
  };
}

function readCheck({
  check,
  checkInterval,
  checkTimeout,
  checkFailures,
}: ServiceLbConfig): ServiceCheck | undefined {
  if (check !== 'tcp') return undefined;
  return {
    intervalMs: checkInterval * 1_000,
    timeoutMs: checkTimeout * 1_000,
    failures: checkFailures,
  };
}

/** What is asked when containers are checked: TCP alone says by itself whether somebody listens. */
export function checkedPorts(ports: readonly ServicePort[]): readonly number[] {
  const targets = ports.flatMap(({ protocol, target }) => (protocol === 'tcp' ? [target] : []));
  return [...new Set(targets)].toSorted((one, other) => one - other);
}

function readPorts(texts: readonly string[]): readonly ServicePort[] {
  const ports = new Map<string, ServicePort>();
  for (const text of texts) {
    const port = readPort(text);
    const key = `${port.protocol} ${port.port}`;
    if (!ports.has(key)) ports.set(key, port);
  }
  return [...ports.values()];
}

const textOf = ({ protocol, port, target }: ServicePort): string => `${protocol} ${port} ${target}`;

function readPort(text: string): ServicePort {
  const [port = '', target = '', name = ''] = text.split(':');
  const protocol = name.toLowerCase();
  assert(
    protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp',
    'the model takes no other protocol',
  );
  return { protocol, port: Number(port), target: Number(target) };
}
