/**
 * Open vSwitch on this host, put together: the ports of endpoints, the flows between them, and the loop that
 * keeps both as the store has them.
 */
import { dirname, join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import type { BridgeFlows, FlowCounts } from '../datapath/bridge-flows.ts';
import { allowedSources } from '../datapath/allowed-sources.ts';
import { bridgeName } from '../datapath/bridge.ts';
import type { DatapathChoice } from '../datapath/datapath-type.ts';
import type { Links } from '../datapath/link/links.ts';
import { KernelSettings } from '../datapath/outside/kernel-settings.ts';
import { readListeners } from '../datapath/outside/listeners.ts';
import { hostFilter } from '../datapath/outside/packet-filter.ts';
import { runProgram, type RunProgram } from '../datapath/outside/run-program.ts';
import { WayOut } from '../datapath/outside/way-out.ts';
import { OvsdbClient } from '../datapath/ovsdb/client.ts';
import { PastDecisions } from '../datapath/past-decisions.ts';
import { HostSwitch } from '../datapath/switch.ts';
import { runControl } from '../datapath/unix-control.ts';
import { ports as portNumbers } from '../datapath/pipeline/fields.ts';
import type { FairleadError } from '../errors.ts';
import { Uplinks } from '../datapath/uplink/uplinks.ts';
import type { Cidr } from '../ip/ip.ts';
import { flowsWaitMs, ovsWaitMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { PortSpec } from '../network/port.ts';
import type { StateStore } from '../store/port.ts';
import type { EndpointBandwidth } from './bandwidth.ts';
import type { PolicyHits } from './policy-hits.ts';
import type { DataPlane } from './data-plane.ts';
import { startDatapathLoop } from './datapath-loop.ts';
import { startForwarding, type Forwarding } from './forwarding.ts';
import type { ServiceChecks } from './service-checks.ts';
import type { SiteHits } from './site-hits.ts';
import type { Loop } from './loop.ts';
import type { PortMaker } from './operations.ts';
import type { NameCounts } from './name-answers.ts';
import { HostOutside } from './outside.ts';
import { hostPublishing, readPublications, type Publishing } from './published.ts';
import { TunnelWays } from './tunnel-ways.ts';
import { whenPlaced } from './when-placed.ts';

/** What it is made of. */
export interface SwitchingParts {
  /** The store as this host sees it. */
  readonly store: StateStore;
  readonly hostName: string;
  readonly links: Links;
  readonly ovsdbPath: string;
  readonly datapath: DatapathChoice;
  /** UDP port of VXLAN. */
  readonly vxlanPort: number;
  /** NICs for VLAN networks: one, or several as one bond. */
  readonly uplinks: readonly string[];
  /** Blocks that containers leave this host under; none for no way out. */
  readonly hostBlocks: readonly Cidr[];
  /** What inside names may end with, lower case; undefined for no answers to questions for names. */
  readonly nameDomain: string | undefined;
  /** Where things of this boot are kept. */
  readonly runDirectory: string;
  /** How programs of the host are run, when not as usual. */
  readonly runProgram?: RunProgram;
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditions: Conditions;
  /** Told when the host has come to another cluster, and at the start. */
  readonly onSite: () => void;
}

/** What the data plane did since the start. */
export interface DatapathFacts {
  readonly flows: FlowCounts & {
    /** How many there should be on the bridge. */
    readonly wanted: number;
  };
  /** Ports, links and settings of the bridge that were not as they should be, and were put right. */
  readonly ports: { readonly repaired: number };
  /** Questions for names that containers asked: of ours, and others. */
  readonly names: NameCounts;
}

/** The port of an endpoint, and the addresses it may send from, IPv4 first. */
export interface PortSources {
  readonly endpointId: string;
  readonly name: string;
  readonly addresses: readonly string[];
}

/** Open vSwitch at work. */
export interface Switching {
  readonly ports: PortMaker;
  /** Which checks of services the containers of this host fail. */
  readonly checks: ServiceChecks;
  readonly publishing: Publishing;
  /** Why the switch cannot take changes now, if it cannot. */
  obstacle(): FairleadError | undefined;
  /** Says whether the host was removed: then it forwards nothing of what hosts share. */
  setRemoved(isRemoved: boolean): void;
  facts(): DatapathFacts;
  /** The ports of endpoints, and from which addresses each may send by the flows that there are. @throws OVS_* */
  sources(): Promise<readonly PortSources[]>;
  /** What is asked and done about the bandwidth of each endpoint that has a profile. @throws OVS_* */
  bandwidth(): Promise<readonly EndpointBandwidth[]>;
  /** How often each rule decided on this host, and each default. @throws OVS_* */
  policyHits(): Promise<PolicyHits>;
  /** The same of all hosts. */
  readonly siteHits: Pick<SiteHits, 'ask'>;
  /**
   * Makes links and port of an endpoint whose other end stays in the host; `isLost` when the switch may know links of
   * these names that are no more.
   * @throws OVS_*, LINK_*, PORT_NOT_OURS
   */
  attachHost(port: PortSpec, isLost: boolean): Promise<void>;
  /** Looks soon at what should be there. */
  kick(): void;
  close(): Promise<void>;
}

/** Starts it. Open vSwitch may be absent, and come and go. */
export function startSwitching(parts: SwitchingParts): Switching {
  const { store, ovsdbPath, clock, log, conditions, links } = parts;
  const ovsdb = OvsdbClient.start({ path: ovsdbPath, clock, log });
  const ways = new TunnelWays({ links, runDirectory: dirname(ovsdbPath) });
  let drifted = (): void => undefined;
  let repaired = 0;
  const forwarding = startForwarding({
    ...parts,
    onWays: () => drifted(),
    onSwitch: () => void ways.remind(),
    onFlows: () => decisions.flowsChanged(),
    onSite() {
      known('site');
      parts.onSite();
    },
  });
  const { dataPlane, flows } = forwarding;
  const known = flowsBegin(flows, ovsdb);
  const outside = hostOutside(parts, dataPlane, () => known('outside'));
  const hostSwitch = new HostSwitch({
    ...{ ovsdb, ovsdbPath, links, clock },
    datapath: parts.datapath,
    log: log.child({ part: 'switch' }),
    tunnelPort: () => (dataPlane.hasPeers ? parts.vxlanPort : undefined),
    hostPort: () => outside.hostPort(),
    onDrift: () => drifted(),
    onRepair: (count) => (repaired += count),
    onPort: (endpointId, number) => dataPlane.setPort(endpointId, number),
    onTunnel: (number) => dataPlane.setTunnel(number),
  });
  const decisions = pastDecisions(parts, () => hostSwitch.userspace()?.path);
  const uplinks = openUplinks(parts, { ovsdb, dataPlane, onDrift: () => drifted() });
  const loop = startDatapathLoop({
    store,
    ...{ clock, conditions, hostSwitch, uplinks, flows },
    showPaths: () => forwarding.showPaths(),
    outside,
    published: () => readPublications(store, hostSwitch.endpointPorts()),
    teachNeighbours: () => ways.teach(hostSwitch.userspace(), dataPlane.peers),
    log: log.child({ part: 'reconcile' }),
  });
  drifted = () => loop.kick();
  const ports = portMaker(hostSwitch, forwarding, loop);
  return {
    ...passedOn(forwarding),
    ports,
    attachHost: hostAttacher({ ports, hostSwitch, ovsdb, loop }),
    publishing: hostPublishing({ links, outside, dataPlane, loop, readListeners, hostSwitch }),
    obstacle: () => hostSwitch.obstacle() ?? flows.failure,
    facts: () => factsOf(forwarding, repaired),
    sources: () => sourcesOf(hostSwitch, flows),
    kick: () => loop.kick(),
    async close() {
      await loop.close();
      uplinks.close();
      for (const each of [decisions, hostSwitch, forwarding, ovsdb]) await each.close();
    },
  };
}

/** What the switch has decided, to be forgotten; `control` is its socket, if it is one in user space. */
const pastDecisions = (
  { clock, log }: SwitchingParts,
  control: () => string | undefined,
): PastDecisions =>
  new PastDecisions({
    control,
    forget: (path) => runControl(path, 'revalidator/purge', []),
    ...{ clock, log: log.child({ part: 'flows' }) },
  });

/** What is forwarding's business alone. */
const passedOn = (
  forwarding: Forwarding,
): Pick<Switching, 'setRemoved' | 'bandwidth' | 'policyHits' | 'siteHits' | 'checks'> => ({
  setRemoved: (isRemoved) => forwarding.setRemoved(isRemoved),
  bandwidth: () => forwarding.bandwidth.read(),
  policyHits: () => forwarding.policyHits(),
  siteHits: forwarding.siteHits,
  checks: forwarding.checks,
});

function hostAttacher(
  parts: ForgettingParts & { readonly ports: Pick<PortMaker, 'attach'> },
): Switching['attachHost'] {
  return async (port, isLost) => {
    const signal = AbortSignal.timeout(flowsWaitMs);
    if (isLost) await forgetLink(parts, port.endpointId, signal);
    await parts.ports.attach(port, signal);
  };
}

/**
 * Waits until the switch knows nothing of an endpoint whose links are gone: one in user space goes on with the link
 * that it knows, whatever has its name by then.
 */
async function forgetLink(
  { hostSwitch, ovsdb, loop }: ForgettingParts,
  endpointId: string,
  signal: AbortSignal,
): Promise<void> {
  await hostSwitch.ready(signal);
  const isKnown = hostSwitch.endpointPorts().some((port) => port.endpointId === endpointId);
  // a port without a link is removed with the next look
  if (isKnown) await loop.settled(signal);
  const { nextCfg } = await ovsdb.transactConfigured([], { signal });
  await ovsdb.waitConfigured(nextCfg, { signal });
}

/** What is asked to forget a link. */
interface ForgettingParts {
  readonly hostSwitch: HostSwitch;
  readonly ovsdb: OvsdbClient;
  readonly loop: Pick<Loop, 'settled'>;
}

async function sourcesOf(
  hostSwitch: HostSwitch,
  flows: BridgeFlows,
): Promise<readonly PortSources[]> {
  const allowed = allowedSources((await flows.observed()).flows);
  return hostSwitch.endpointPorts().map(({ endpointId, name, number = 0 }) => ({
    endpointId,
    name,
    addresses: allowed.get(number) ?? [],
  }));
}

const factsOf = (
  { flows, nameCounts }: Pick<Forwarding, 'flows' | 'nameCounts'>,
  repaired: number,
): DatapathFacts => ({
  flows: { wanted: flows.flowCount, ...flows.counts },
  ports: { repaired },
  names: { ...nameCounts },
});

/** An endpoint is attached when it has its port and its flows, and there is a tunnel if it may need one. */
function portMaker(
  hostSwitch: HostSwitch,
  {
    dataPlane,
    flows,
    bandwidth,
    announce,
  }: Pick<Forwarding, 'dataPlane' | 'flows' | 'bandwidth' | 'announce'>,
  loop: Pick<Loop, 'settled'>,
): PortMaker {
  return {
    ready: (signal) => hostSwitch.ready(signal),
    release: (endpointId) => hostSwitch.release(endpointId),
    async attach(port, signal) {
      await hostSwitch.attach(port, signal);
      await whenPlaced({ dataPlane, flows }, port.endpointId, signal);
      // with the first container that has peers: what it says first would be lost
      if (dataPlane.hasPeers && !hostSwitch.hasTunnel && !signal.aborted) {
        const bound = AbortSignal.any([signal, AbortSignal.timeout(ovsWaitMs)]);
        // where it cannot be made the health of the host says so, and containers start
        await loop.settled(bound).catch(() => undefined);
      }
      bandwidth.require(port.endpointId);
      announce(port.endpointId);
    },
  };
}

/** Flows that lead to the wire are there from the first comparison on, so that a restart loses nothing. */
function openUplinks(
  { uplinks: names, links, log }: SwitchingParts,
  around: {
    readonly ovsdb: OvsdbClient;
    readonly dataPlane: DataPlane;
    readonly onDrift: () => void;
  },
): Uplinks {
  const { ovsdb, dataPlane, onDrift } = around;
  const isWanted = names.length > 0;
  if (isWanted) dataPlane.setWire(portNumbers.uplinkMin);
  return new Uplinks({
    names,
    ovsdb,
    links,
    log: log.child({ part: 'uplinks' }),
    onDrift,
    onWire: (number) => isWanted && dataPlane.setWire(number),
  });
}

/**
 * Lets flows begin when all is known that a former agent knew: what the site says, which ports there are, and
 * whether there is a way out. Answers how to say that something is.
 */
function flowsBegin(flows: BridgeFlows, ovsdb: OvsdbClient): (what: 'site' | 'outside') => void {
  const missing = new Set(['site', 'ports', 'outside']);
  const known = (what: string) => {
    if (missing.delete(what) && missing.size === 0) flows.begin();
  };
  ovsdb.onState((state) => {
    if (state === 'ready') known('ports');
  });
  return known;
}

function hostOutside(
  parts: SwitchingParts,
  dataPlane: DataPlane,
  onDecided: () => void,
): HostOutside {
  const { links, log, conditions, vxlanPort, hostBlocks: blocks } = parts;
  const wayOut = new WayOut({
    blocks,
    links,
    filter: hostFilter(parts.runProgram ?? runProgram),
    settings: new KernelSettings(join(parts.runDirectory, 'kernel-settings.json')),
    bridge: bridgeName,
    log: log.child({ part: 'outside' }),
  });
  return new HostOutside({ wayOut, dataPlane, vxlanPort, conditions, onDecided });
}
