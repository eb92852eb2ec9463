/** What each kind of object adds to the pipeline, feature by feature. */
import {
  denialsBurst,
  denialsPerSecond,
  icmpErrorsBurst,
  icmpErrorsPerSecond,
  nameQueriesPerSecond,
  probeAnswersPerSecond,
} from '../../limits.ts';
import { endpointGets, endpointMeters } from './bandwidth.ts';
import { conductBase, endpointConduct } from './anti-spoof.ts';
import { meters } from './fields.ts';
import {
  exitBase,
  floodFlows,
  floodGroups,
  floodPart,
  localDestination,
  peerExit,
  remoteDestination,
  wireDestination,
  type Receivers,
} from './forwarding.ts';
import { arrivalBase, endpointIngress, peerIngress, segmentIngress } from './ingress.ts';
import { endpointNeighbour, addAnswer, neighboursBase, segmentNeighbours } from './neighbours.ts';
import {
  domainOutside,
  endpointReached,
  gatewayCalled,
  outsideBase,
  segmentOutside,
  segmentReached,
  type DomainWays,
} from './outside.ts';
import { namesBase } from './names.ts';
import { endpointLeaves } from './own-alias.ts';
import { endpointPublished, segmentUnimitated } from './published.ts';
import {
  deniedBase,
  domainPoliced,
  domainTracked,
  domainUnjudged,
  endpointAdmission,
  endpointGroup,
  policyBase,
} from './policy.ts';
import { probeAnswers, probeEcho } from './probe.ts';
import {
  endpointRoute,
  gatewayEcho,
  gatewayMac,
  segmentMeasure,
  splitBase,
  subnetRoute,
  timeExceededBase,
  toAgent,
  tooBigBase,
  unreachableBase,
} from './routing.ts';
import { FlowWriter, flowsOnly, packetMeter, type Unit } from './unit.ts';
import type {
  LocalEndpoint,
  Outside,
  Peer,
  RemoteEndpoint,
  Segment,
  Uplink,
} from '../../network/world.ts';

/** What is there before any object is. */
export function baseUnit(): Unit {
  const flow = new FlowWriter({ kind: 'base' });
  arrivalBase(flow);
  conductBase(flow);
  neighboursBase(flow);
  namesBase(flow);
  splitBase(flow);
  exitBase(flow);
  probeEcho(flow);
  const probes = new FlowWriter({ kind: 'probe' });
  probeAnswers(probes);
  const expired = new FlowWriter({ kind: 'timeExceeded' });
  timeExceededBase(expired);
  const tooBig = new FlowWriter({ kind: 'tooBig' });
  tooBigBase(tooBig);
  const unreachable = new FlowWriter({ kind: 'unreachable' });
  unreachableBase(unreachable);
  return {
    flows: [flow, probes, expired, tooBig, unreachable].flatMap(({ flows }) => flows),
    groups: [],
    meters: [
      packetMeter(meters.icmpErrors, { rate: icmpErrorsPerSecond, burst: icmpErrorsBurst }),
      packetMeter(meters.probes, { rate: probeAnswersPerSecond, burst: probeAnswersPerSecond }),
      packetMeter(meters.names, { rate: nameQueriesPerSecond, burst: nameQueriesPerSecond }),
      packetMeter(meters.denials, { rate: denialsPerSecond, burst: denialsBurst }),
    ],
  };
}

/** What a network adds, besides its members. */
export function segmentUnit(
  segment: Segment,
  around: {
    readonly uplink: Uplink | undefined;
    readonly outside: Outside | undefined;
    readonly isMeasured: boolean;
  },
): Unit {
  const flow = new FlowWriter({ kind: 'network', object: segment.number });
  const unreachable = new FlowWriter({ kind: 'unreachable', object: segment.number });
  segmentIngress(flow, segment, around.uplink);
  segmentNeighbours(flow, segment);
  if (around.uplink !== undefined) wireDestination(flow, segment, around.uplink);
  if (segment.routed) {
    for (const { gateway } of segment.subnets) {
      if (gateway === undefined) continue;
      addAnswer(flow, segment, { address: gateway, mac: gatewayMac });
      gatewayEcho(flow, segment, gateway);
    }
    subnetRoute(unreachable, segment);
    if (around.isMeasured) segmentMeasure(flow, segment);
    if (around.outside !== undefined) {
      if (segment.outside) segmentOutside(flow, segment, around.outside);
      if (segment.reached) {
        segmentReached(flow, segment, around.outside);
        gatewayCalled(unreachable, segment, toAgent);
      }
    }
  }
  floodFlows(flow, segment);
  return flowsOnly([...flow.flows, ...unreachable.flows]);
}

/** The way out, but for the tenants. */
export function outsideUnit(outside: Outside): Unit {
  const flow = new FlowWriter({ kind: 'outside' });
  outsideBase(flow, outside);
  return flowsOnly(flow.flows);
}

/** A tenant's way out. */
export function domainUnit(
  domain: number,
  ways: DomainWays & { readonly outside: Outside; readonly segments: readonly Segment[] },
): Unit {
  const flow = new FlowWriter({ kind: 'outside', object: domain });
  domainOutside(flow, domain, ways);
  if (ways.isOut) for (const segment of ways.segments) segmentUnimitated(flow, segment);
  return flowsOnly(flow.flows);
}

/** What tenants with rules have in common. */
export function policyUnit(): Unit {
  const flow = new FlowWriter({ kind: 'policy' });
  policyBase(flow);
  const denied = new FlowWriter({ kind: 'denied' });
  deniedBase(denied);
  return flowsOnly([...flow.flows, ...denied.flows]);
}

/** A tenant with groups; `policed` are its networks when it has rules, too. */
export function trackedUnit(domain: number, policed: readonly Segment[] | undefined): Unit {
  const flow = new FlowWriter({ kind: 'policy', object: domain });
  domainTracked(flow, domain);
  if (policed === undefined) domainUnjudged(flow, domain);
  else domainPoliced(flow, domain, policed);
  return flowsOnly(flow.flows);
}

/** Who gets what goes to all of a network. */
export function floodUnit(segment: Segment, receivers: Receivers): Unit {
  return { flows: [], groups: floodGroups(segment, receivers), meters: [] };
}

/** Some of those who get it, where they are many. */
export function floodPartUnit(segment: Segment, part: number, ports: readonly number[]): Unit {
  return { flows: [], groups: [floodPart(segment, part, ports)], meters: [] };
}

/** What a container of this host adds. `place` is where it leaves what has no ports. */
export function localUnit(
  endpoint: LocalEndpoint,
  {
    segment,
    outside,
    place,
    isPoliced,
  }: {
    readonly segment: Segment;
    readonly outside: Outside | undefined;
    readonly place: number | undefined;
    readonly isPoliced: boolean;
  },
): Unit {
  const flow = new FlowWriter({ kind: 'endpoint', object: endpoint.port });
  endpointIngress(flow, endpoint, segment);
  endpointConduct(flow, endpoint);
  endpointNeighbour(flow, endpoint, segment);
  endpointRoute(flow, endpoint, segment);
  localDestination(flow, endpoint, segment);
  endpointGets(flow, endpoint);
  if (outside !== undefined && segment.reached) {
    endpointReached(flow, endpoint, { segment, outside });
  }
  if (outside !== undefined && segment.routed && segment.outside && place !== undefined) {
    const way = { domain: segment.domain, outside, place };
    endpointLeaves(flow, endpoint, way);
    endpointPublished(flow, endpoint, way);
  }
  if (isPoliced) {
    endpointAdmission(flow, endpoint, segment);
    endpointGroup(flow, endpoint, segment);
  }
  return { ...flowsOnly(flow.flows), meters: endpointMeters(endpoint) };
}

/** What a container of another host adds. */
export function remoteUnit(
  endpoint: RemoteEndpoint,
  at: { readonly segment: Segment; readonly peer: Peer; readonly isPoliced: boolean },
): Unit {
  const flow = new FlowWriter({ kind: 'peer', object: at.peer.number });
  endpointNeighbour(flow, endpoint, at.segment);
  endpointRoute(flow, endpoint, at.segment);
  remoteDestination(flow, endpoint, at);
  if (at.isPoliced) endpointGroup(flow, endpoint, at.segment);
  return flowsOnly(flow.flows);
}

/** What another host adds, besides its containers. `tunnel` is the OpenFlow port of the tunnel. */
export function peerUnit(peer: Peer, tunnel: number): Unit {
  const flow = new FlowWriter({ kind: 'peer', object: peer.number });
  peerIngress(flow, peer, tunnel);
  peerExit(flow, peer, tunnel);
  return flowsOnly(flow.flows);
}
