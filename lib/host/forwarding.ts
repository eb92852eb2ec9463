/**
 * What forwards packets on this host, put together: the rows of the site become the world, the world becomes
 * flows, the flows are on the bridge; and the gateway's errors are answered.
 */
import { dirname, join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import { bridgeName } from '../datapath/bridge.ts';
import { BridgeFlows } from '../datapath/bridge-flows.ts';
import { OpenFlowSwitch } from '../datapath/flow-switch.ts';
import { flowBody, flowKey, groupBody, meterBody } from '../datapath/openflow/codec/canonical.ts';
import { OpenFlowConnection } from '../datapath/openflow/connection.ts';
import type { Identity } from '../datapath/reconcile/desired-flows.ts';
import type { Logger } from '../log.ts';
import { NameView } from '../network/name-view.ts';
import { SiteView } from '../network/site-view.ts';
import type { StateStore } from '../store/port.ts';
import { DataPlane } from './data-plane.ts';
import { Announcer } from './announcer.ts';
import { HostBandwidth } from './bandwidth.ts';
import { answerPackets } from './gateway-answers.ts';
import { logDenials } from './denials.ts';
import { showTies } from './group-ties.ts';
import { readPolicyHits, type PolicyHits } from './policy-hits.ts';
import { showPaths } from './peer-families.ts';
import { startNameAnswers, type NameAnswers, type NameCounts } from './name-answers.ts';
import { startPeerProbes } from './peer-probes.ts';
import { ServiceChecks } from './service-checks.ts';
import { SiteHits } from './site-hits.ts';
import { startSiteLoop, type SiteLoopParts } from './site-loop.ts';

/** What it is made of. */
export interface ForwardingParts {
  /** The store as this host sees it. */
  readonly store: StateStore;
  readonly hostName: string;
  readonly ovsdbPath: string;
  /** What inside names may end with, lower case; undefined for no answers to questions for names. */
  readonly nameDomain: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditions: Conditions;
  /** Told when networks or other hosts come, go or change. */
  readonly onWays: () => void;
  /** Told when the host has come to another cluster, and at the start. */
  readonly onSite: () => void;
  /** Told when there is a switch, which may have been started just now. */
  readonly onSwitch: () => void;
  /** Told when flows of the bridge were changed. */
  readonly onFlows: () => void;
}

/** Forwarding at work. */
export interface Forwarding {
  readonly dataPlane: DataPlane;
  readonly flows: BridgeFlows;
  /** Says on the wire that an endpoint is here now. */
  announce(endpointId: string): void;
  readonly bandwidth: HostBandwidth;
  /** Which checks of services the containers of this host fail. */
  readonly checks: ServiceChecks;
  /** How often each rule decided on this host, and each default. @throws OVS_* */
  policyHits(): Promise<PolicyHits>;
  /** The same of all hosts. */
  readonly siteHits: SiteHits;
  /** How many questions for names there were. */
  readonly nameCounts: NameCounts;
  /** Shows where MTUs, and families of tunnels, do not fit one another, and limits do not fit the switch. */
  showPaths(): void;
  /** Says whether the host was removed: then it forwards nothing of what hosts share. */
  setRemoved(isRemoved: boolean): void;
  close(): Promise<void>;
}

/** When two of a kind are the same on our bridge. Whose a flow is belongs to what it is. */
export const bridgeIdentity: Identity = {
  flowKey,
  flowBody: (flow) => `${flow.cookie.toString(16)} ${flowBody(flow)}`,
  groupBody,
  meterBody,
};

/** Starts it. The bridge may be absent, and come and go. */
export function startForwarding(parts: ForwardingParts): Forwarding {
  const { store, hostName, ovsdbPath, clock, log } = parts;
  const path = join(dirname(ovsdbPath), `${bridgeName}.mgmt`);
  const connection = OpenFlowConnection.start({ path, clock, log });
  const flows = flowsOf(connection, parts);
  const dataPlane = new DataPlane(flows, () => {
    parts.onWays();
    probes.kick();
  });
  const probes = startPeerProbes({
    connection,
    peers: () => dataPlane.peers,
    tunnelPort: () => dataPlane.tunnelPort,
    largestMtu: () => dataPlane.largestVxlanMtu,
    clock,
    conditions: parts.conditions,
    onSilent: (hosts) => dataPlane.setSilent(hosts),
  });
  const view = new SiteView(hostName);
  const hits = startHits(parts, { connection, dataPlane, view });
  const stops = [
    ...followBridge(connection, flows, parts.onSwitch),
    ...followPackets(parts, connection, dataPlane),
    connection.onState((state) => state === 'ready' && hits.siteHits.look()),
  ];
  const bandwidth = new HostBandwidth({ connection, dataPlane, conditions: parts.conditions });
  const announcer = new Announcer({ connection, dataPlane, clock });
  const checkLog = log.child({ part: 'checks' });
  const checks = new ServiceChecks({ connection, dataPlane, flows, clock, log: checkLog });
  const { names, answers: nameAnswers } = startNames(parts, { connection, dataPlane, view });
  const siteLoop = startSiteLoop({
    ...{ store, view, names, clock, log: log.child({ part: 'site' }) },
    onChange: takeFor(parts, { dataPlane, view, checks }),
    onSelf: parts.onWays,
    onRead() {
      parts.onSite();
      for (const each of [checks, hits.siteHits]) each.begin();
    },
  });
  return {
    dataPlane,
    flows,
    bandwidth,
    checks,
    ...hits,
    nameCounts: nameAnswers.counts,
    announce: (endpointId) => announcer.announce(endpointId),
    showPaths: () => showFit(parts.conditions, { view, dataPlane, bandwidth }),
    setRemoved: (isRemoved) => siteLoop.setRemoved(isRemoved),
    async close() {
      for (const each of [nameAnswers, siteLoop, probes, checks, hits.siteHits]) await each.close();
      for (const each of [announcer, bandwidth]) each.close();
      for (const stop of stops) stop();
      await flows.close();
      await connection.close();
    },
  };
}

/** What checks of services go by. */
const isChecked: ReadonlySet<string> = new Set(['service', 'segment', 'local']);

/** What the site says is the data plane's, and shows whom several groups ask for. */
function takeFor(
  { conditions, hostName }: ForwardingParts,
  {
    dataPlane,
    view,
    checks,
  }: Pick<Forwarding, 'dataPlane' | 'checks'> & { readonly view: SiteView },
): SiteLoopParts['onChange'] {
  return (changes) => {
    dataPlane.take(changes);
    if (changes.some(({ kind }) => isChecked.has(kind))) checks.touch();
    showTies(conditions, view.rows, hostName);
  };
}

/** What is read for others. */
type Sources = Pick<Forwarding, 'dataPlane'> & {
  readonly connection: OpenFlowConnection;
  readonly view: SiteView;
};

/** Names of the view's rows, and the answers to questions for them. */
function startNames(
  { clock, log, nameDomain: domain }: ForwardingParts,
  { connection, dataPlane, view }: Sources,
): { readonly names: NameView; readonly answers: NameAnswers } {
  const names = new NameView(
    () => view.rows,
    () => clock.monotonicMs(),
  );
  const answers = startNameAnswers({
    ...{ connection, names, domain, clock, log: log.child({ part: 'names' }) },
    isWanted: () => dataPlane.isOnSite,
  });
  return { names, answers };
}

/** Hits of this host, and of all. */
function startHits(
  { store, hostName, clock, log }: ForwardingParts,
  { connection, dataPlane, view }: Sources,
): Pick<Forwarding, 'policyHits' | 'siteHits'> {
  const policyHits = () => readPolicyHits(connection, dataPlane.policies);
  const siteHits = new SiteHits({
    ...{ store, hostName, clock, log: log.child({ part: 'hits' }) },
    rows: () => view.rows,
    read: policyHits,
  });
  return { policyHits, siteHits };
}

function flowsOf(
  connection: OpenFlowConnection,
  { clock, log, onFlows }: ForwardingParts,
): BridgeFlows {
  return new BridgeFlows({
    flowSwitch: new OpenFlowSwitch(connection, onFlows),
    identity: bridgeIdentity,
    clock,
    log: log.child({ part: 'flows' }),
    // what a former agent left forwards on until it is known what should be
    isHeld: true,
  });
}

/** Shows what does not fit: MTUs and families of tunnels, and limits that the switch cannot do. */
function showFit(
  conditions: Conditions,
  {
    view,
    dataPlane,
    bandwidth,
  }: Pick<Forwarding, 'dataPlane' | 'bandwidth'> & { readonly view: SiteView },
): void {
  showPaths(conditions, { self: view.self, dataPlane });
  bandwidth.show();
}

/** Answers packets that the flows hand over, and says what they deny; answers how to stop. */
const followPackets = (
  { log }: ForwardingParts,
  connection: OpenFlowConnection,
  dataPlane: DataPlane,
): readonly (() => void)[] => [
  answerPackets(connection, {
    numbered: (number) => dataPlane.segmentNumbered(number),
    atPort: (port) => dataPlane.segmentAtPort(port),
  }),
  logDenials(connection, dataPlane.policies, log.child({ part: 'denials' })),
];

/** Compares when the bridge comes, and when somebody else changes flows; answers how to stop. */
function followBridge(
  connection: OpenFlowConnection,
  flows: BridgeFlows,
  onSwitch: () => void,
): readonly (() => void)[] {
  return [
    connection.onState((state) => {
      if (state !== 'ready') return;
      onSwitch();
      // told of what others change from now on; what was changed before is seen by the comparison
      void connection.monitorFlows().catch(() => undefined);
      flows.forget();
    }),
    connection.onNews((news) => {
      if (news.kind === 'monitorResumed') void flows.compare();
      if (news.kind !== 'flowUpdates') return;
      if (news.updates.some(({ event }) => event !== 'own')) void flows.compare();
    }),
  ];
}
