/**
 * Answers of a container to its host's question whether a port takes connections: they go to the agent from the first
 * table, before anybody else looks at them. Rules, conntrack and limits have nothing to do with them, and the flow
 * says whose they are: this container's, from its own address to where the question came from. Each container has a
 * meter of its own, so that none can have the answers of another dropped. Without an agent they go nowhere.
 */
import { contains, type IpAddress } from '../../ip/ip.ts';
import { containerAnswersBurst, containerAnswersPerSecond } from '../../limits.ts';
import type { LocalEndpoint, Segment, Service, ServiceBackend } from '../../network/world.ts';
import { reservedPort, type Meter } from '../openflow/codec/flow.ts';
import { fromAddress, macNumber, toAddress } from './addresses.ts';
import { checkSources } from './check-frames.ts';
import { meters, tables } from './fields.ts';
import { untagged } from './packets.ts';
import { gatewayMac } from './routing.ts';
import { packetMeter, type FlowWriter } from './unit.ts';

/** All that is looked at of an answer: a TCP head with its options, in a packet of either family. */
const answerBytes = 192;

/** From where and to which address a container is asked. */
export interface CheckWay {
  readonly from: IpAddress;
  readonly to: IpAddress;
}

/**
 * How a container behind a service is asked: by IPv4, if it has it. From its gateway, which it finds without asking
 * anybody else. Where no gateway is ours, from the service's address, which every container of its network finds.
 * Undefined where it could answer neither: clients of other networks do not hear it either.
 */
export function checkWay(
  backend: Pick<ServiceBackend, 'ipv4' | 'ipv6' | 'segmentId'>,
  service: Pick<Service, 'addresses' | 'segmentId'>,
  { routed, subnets }: Segment,
): CheckWay | undefined {
  for (const to of [backend.ipv4, backend.ipv6]) {
    const address = to && service.addresses.find(({ family }) => family === to.family);
    if (to === undefined || address === undefined) continue;
    const gateway = subnets.find(({ cidr }) => contains(cidr, to))?.gateway;
    if (routed && gateway !== undefined) return { from: gateway, to };
    return service.segmentId === backend.segmentId ? { from: address, to } : undefined;
  }
  return undefined;
}

/** A container's answers. */
export function checkFlow(flow: FlowWriter, endpoint: LocalEndpoint, { from, to }: CheckWay): void {
  const { port, mac } = endpoint;
  const frames = {
    inPort: port,
    ...untagged,
    ethSrc: macNumber(mac),
    ethDst: macNumber(gatewayMac),
  };
  const { first, count } = checkSources;
  const asked = { ipProto: 6, tcpDst: { value: first, mask: 0x1_0000 - count } };
  flow.add(
    { table: tables.classify, priority: 120 },
    [frames, fromAddress(to), toAddress(from), asked],
    {
      meter: meters.check(port),
      apply: [{ kind: 'output', port: reservedPort.controller, maxLength: answerBytes }],
    },
  );
}

/** How much of it is taken. */
export const checkMeter = ({ port }: LocalEndpoint): Meter =>
  packetMeter(meters.check(port), {
    rate: containerAnswersPerSecond,
    burst: containerAnswersBurst,
  });
