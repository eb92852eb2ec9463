/**
 * The switch of this host: makes and removes the links and ports of endpoints, one by one when Docker
 * asks, all of them when reconciling. Guarantees: only what carries our mark is changed; a port is made
 * with its marks in one transaction; removals are paced, since each stops a userspace switch for a
 * moment. Knows nothing of Docker or the store.
 */
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';
import { FairleadError, hasCode } from '../errors.ts';
import { ovsStalledMs, portAddsPerTxn, portRemovalPauseMs, portRemovalsPerTxn } from '../limits.ts';
import { endpointOfAlias, linkAlias, linkNames, type PortSpec } from '../network/port.ts';
import {
  addPorts,
  bridgeName,
  endpointPort,
  findBridge,
  fixPort,
  isDrift,
  isOurs,
  observePorts,
  removePorts,
  tunnelName,
  tunnelNumber,
  type OurBridge,
  type Rows,
} from './bridge.ts';
import { ensureBridge, type BridgeParts } from './own-bridge.ts';
import { endpointPorts, type EndpointPort } from './endpoint-ports.ts';
import { observeForeign } from './foreign.ts';
import { reportOf, type ReconcileReport } from './report.ts';
import type { Link, Links } from './link/links.ts';
import { linkGroup } from './link/veth.ts';
import type { Change } from './ovsdb/replica.ts';
import type { Row } from './ovsdb/schema.ts';
import { PortIndex, type FoundPort } from './port-index.ts';
import { PortNumbers } from './port-numbers.ts';
import { difference, type Difference, type ObservedLink } from './reconcile/diff.ts';
import { watchVswitchd, type VswitchdWatch } from './vswitchd-watch.ts';

/** The kernel's links, as the switch needs them. */
export type HostLinks = Pick<Links, 'list' | 'createVeth' | 'configure' | 'remove'>;

/** What a switch is made of. */
export interface SwitchParts extends BridgeParts {
  readonly ovsdbPath: string;
  readonly links: HostLinks;
  readonly clock: Clock;
  /** Told when something changed that we did not do, or the switch came or went. */
  readonly onDrift: () => void;
  /** Told how many ports, links and settings of the bridge were put right. */
  readonly onRepair: (count: number) => void;
  /** Told of the OpenFlow port of an endpoint, or that it has none any more. */
  readonly onPort: (endpointId: string, number: number | undefined) => void;
  /** Told of the OpenFlow port of the tunnel. */
  readonly onTunnel: (number: number) => void;
}

/** The switch. */
export class HostSwitch {
  readonly #parts: SwitchParts;
  readonly #watch: VswitchdWatch;
  readonly #unsubscribe: readonly (() => void)[];
  readonly #index: PortIndex;
  readonly #numbers = new PortNumbers();
  /** Ports we are making or removing: changes to them are no drift. */
  readonly #expected = new Set<string>();
  readonly #releasing = new Set<string>();
  /** Calls that wait for the switch; poked with every change. */
  readonly #waiting = new Set<() => void>();
  /** Links without our mark yet, as of the last look. */
  #unfinished: ReadonlySet<string> = new Set();
  #releaseWork: Promise<void> = Promise.resolve();
  #releaseRuns = false;
  #closed = false;

  constructor(parts: SwitchParts) {
    this.#parts = parts;
    this.#index = new PortIndex(this.#rows());
    this.#watch = watchVswitchd({
      runDirectory: dirname(parts.ovsdbPath),
      clock: parts.clock,
      onChange: () => this.#onState(),
    });
    this.#unsubscribe = [
      parts.ovsdb.subscribe((change) => this.#onChange(change)),
      parts.ovsdb.onState(() => this.#onState()),
    ];
  }

  /** Why the switch cannot take changes now, or undefined when it can. */
  obstacle(): FairleadError | undefined {
    const { ovsdb } = this.#parts;
    const state = ovsdb.state();
    if (state === 'locked-out') {
      return new FairleadError('OVS_LOCKED', 'another fairlead agent drives this Open vSwitch');
    }
    if (state !== 'ready') {
      return new FairleadError(
        'OVS_DOWN',
        `ovsdb-server does not answer at ${this.#parts.ovsdbPath}`,
      );
    }
    if (this.#watch.state() === 'dead') {
      return new FairleadError('OVS_DOWN', 'ovs-vswitchd is not running');
    }
    if (ovsdb.configurationLagMs() > ovsStalledMs) {
      return new FairleadError(
        'OVS_STALLED',
        `ovs-vswitchd has not taken up a change for ${ovsStalledMs} ms`,
      );
    }
    return undefined;
  }

  /** The control socket of a userspace switch, and all bridges it has; undefined for any other. */
  userspace(): { readonly path: string; readonly bridges: ReadonlySet<string> } | undefined {
    const path = this.#watch.controlPath();
    if (path === undefined || this.#bridge()?.row.datapath_type !== 'netdev') return undefined;
    const { bridges } = this.#rows();
    return { path, bridges: new Set([...bridges.values()].map(({ name }) => name)) };
  }

  /** Whether our bridge has the port of the tunnel, be it of use or not. */
  get hasTunnel(): boolean {
    const bridge = this.#bridge();
    return bridge !== undefined && this.#portOn(bridge, tunnelName) !== undefined;
  }

  /** The ports of endpoints that the bridge has. @throws OVS_* */
  endpointPorts(): readonly EndpointPort[] {
    return endpointPorts(this.#rows(), this.#requireBridge());
  }

  /**
   * Waits until the switch can take changes and has our bridge.
   * @throws OVS_DOWN, OVS_LOCKED, OVS_STALLED, BRIDGE_NOT_OURS when it does not until the signal says stop
   */
  async ready(signal: AbortSignal): Promise<void> {
    for (;;) {
      const obstacle = this.obstacle();
      if (obstacle === undefined && this.#bridge() !== undefined) return;
      if (signal.aborted) {
        throw obstacle ?? new FairleadError('OVS_DOWN', `bridge ${bridgeName} is not there yet`);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  /**
   * Makes an endpoint's links and port. Resolves when both are committed: vswitchd takes the port up
   * while Docker is still preparing the container (waiting for it would cost time in proportion to the
   * ports of the host).
   * @throws OVS_*, LINK_*, PORT_NOT_OURS; nothing is left behind then
   */
  async attach(spec: PortSpec, signal: AbortSignal): Promise<void> {
    const bridge = this.#requireBridge();
    const { links } = this.#parts;
    const alias = linkAlias(spec.endpointId);
    await this.#makeLinks(bridge, spec, alias);
    try {
      signal.throwIfAborted();
      await this.#makePorts(bridge, [spec], signal);
    } catch (thrown) {
      await links.remove(spec.hostLink, alias).catch((cause: unknown) => {
        this.#parts.log.warn({ err: cause, link: spec.hostLink }, 'a link is left behind');
      });
      throw thrown;
    }
  }

  /** Removes an endpoint's port and links in the background. */
  release(endpointId: string): void {
    this.#releasing.add(endpointId);
    if (this.#releaseRuns || this.#closed) return;
    this.#releaseRuns = true;
    this.#releaseWork = this.#releaseAll().finally(() => (this.#releaseRuns = false));
  }

  /**
   * Makes ports and links what they should be. `desired` is asked for after everything was observed.
   * @throws OVS_*, BRIDGE_NOT_OURS, LINK_FAILED
   */
  async reconcile(
    desired: () => Promise<ReadonlyMap<string, PortSpec>>,
    signal: AbortSignal,
  ): Promise<ReconcileReport> {
    const obstacle = this.obstacle();
    if (obstacle !== undefined) throw obstacle;
    const bridge = await ensureBridge(this.#parts, () => this.#rows(), signal);
    const ports = observePorts(this.#rows(), bridge);
    const all = await this.#parts.links.list();
    const links = await this.#observeLinks(all);
    const changes = difference(await desired(), { ports, links });
    await this.#apply(bridge, changes, signal);
    const around = { udpPort: this.#parts.tunnelPort(), links: all };
    const foreign = observeForeign(this.#rows(), bridge, around);
    const report = reportOf(changes, ports, foreign);
    this.#parts.onRepair(report.repaired);
    return report;
  }

  /** Stops background work; what is left is for the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#unsubscribe) stop();
    await Promise.all([this.#watch.close(), this.#releaseWork.catch(() => undefined)]);
  }

  #rows(): Rows {
    const { ovsdb } = this.#parts;
    return {
      bridges: ovsdb.rows('Bridge'),
      ports: ovsdb.rows('Port'),
      interfaces: ovsdb.rows('Interface'),
    };
  }

  #bridge(): OurBridge | undefined {
    return findBridge(this.#rows());
  }

  /** The port of this name, if it is on our bridge. */
  #portOn(bridge: OurBridge, name: string): FoundPort | undefined {
    const found = this.#index.get(name);
    return found !== undefined && bridge.row.ports.has(found.uuid) ? found : undefined;
  }

  #requireBridge(): OurBridge {
    const obstacle = this.obstacle();
    if (obstacle !== undefined) throw obstacle;
    const bridge = this.#bridge();
    if (bridge !== undefined) return bridge;
    throw new FairleadError('OVS_DOWN', `bridge ${bridgeName} is not there yet`);
  }

  async #observeLinks(all: readonly Link[]): Promise<readonly ObservedLink[]> {
    const { links, log } = this.#parts;
    const observed: ObservedLink[] = [];
    const unfinished = new Set<string>();
    for (const { name, alias, group, mtu, up } of all) {
      const endpointId = endpointOfAlias(alias);
      if (endpointId !== undefined) observed.push({ name, endpointId, mtu, up });
      else if (group === linkGroup && alias === undefined) unfinished.add(name);
    }
    // a pair of ours is born without its mark; one that stays so belongs to an agent that was killed
    for (const name of unfinished) {
      if (!this.#unfinished.has(name)) continue;
      await links.remove(name, linkAlias('unfinished'));
      log.info({ link: name }, 'removed a link that was never finished');
    }
    this.#unfinished = unfinished;
    return observed;
  }

  async #apply(bridge: OurBridge, changes: Difference, signal: AbortSignal): Promise<void> {
    const { links, ovsdb } = this.#parts;
    for (const spec of changes.fixLinks) {
      await links.configure(spec.hostLink, linkAlias(spec.endpointId), spec.mtu);
    }
    const remade = changes.remakePorts.map(({ hostLink }) => hostLink);
    await this.#removePorts([...changes.removePorts, ...remade], signal);
    for (const spec of changes.fixPorts) {
      const port = this.#index.get(spec.hostLink);
      if (port === undefined) continue;
      const number = this.#numbers.of(spec.hostLink, this.#index);
      await ovsdb.transactConfigured(fixPort(port, { spec, number }), { signal });
    }
    const missing = [...changes.addPorts, ...changes.remakePorts];
    for (let i = 0; i < missing.length; i += portAddsPerTxn) {
      await this.#makePorts(bridge, missing.slice(i, i + portAddsPerTxn), signal);
    }
    for (const { name, endpointId } of changes.removeLinks) {
      signal.throwIfAborted();
      await links.remove(name, linkAlias(endpointId));
    }
  }

  async #makeLinks(bridge: OurBridge, spec: PortSpec, alias: string): Promise<void> {
    try {
      await this.#parts.links.createVeth({
        host: spec.hostLink,
        peer: spec.containerLink,
        peerMac: spec.mac,
        mtu: spec.mtu,
        alias,
        // the userspace datapath forwards frames as the kernel left them: with an unfinished checksum
        txChecksumOff: bridge.row.datapath_type === 'netdev',
      });
    } catch (thrown) {
      // a repeated Join whose first one worked: Docker has the other end already
      if (!hasCode(thrown, 'LINK_IN_USE')) throw thrown;
    }
  }

  /** Adds ports; one that is there already as it should be is left. */
  async #makePorts(
    bridge: OurBridge,
    specs: readonly PortSpec[],
    signal: AbortSignal,
  ): Promise<void> {
    const names = specs.map(({ hostLink }) => hostLink);
    for (const name of names) this.#expected.add(name);
    try {
      const missing = specs
        .filter(({ hostLink }) => this.#portOn(bridge, hostLink) === undefined)
        .map((spec) => ({ spec, number: this.#numbers.of(spec.hostLink, this.#index) }));
      if (missing.length === 0) return;
      await this.#parts.ovsdb.transactConfigured(addPorts(bridge, missing), { signal });
    } catch (thrown) {
      if (!hasCode(thrown, 'OVS_REFUSED')) throw thrown;
      // someone was faster: fine if it was us, as our reconcile and a Join may meet
      const now = this.#bridge() ?? bridge;
      const foreign = names.find((name) => !isOurs(this.#portOn(now, name)?.row));
      if (foreign === undefined) return;
      if (this.#index.get(foreign) === undefined) throw thrown;
      throw new FairleadError('PORT_NOT_OURS', `port ${foreign} exists and is not ours`, {
        cause: thrown,
      });
    } finally {
      for (const name of names) {
        this.#expected.delete(name);
        this.#numbers.forget(name);
      }
    }
  }

  /** Removes ports by name, a few at a time with pauses. */
  async #removePorts(names: readonly string[], signal?: AbortSignal): Promise<void> {
    const { ovsdb, clock } = this.#parts;
    for (let i = 0; i < names.length; i += portRemovalsPerTxn) {
      if (i > 0) await clock.sleep(portRemovalPauseMs, signal);
      const bridge = this.#bridge();
      if (bridge === undefined) return;
      const some = names.slice(i, i + portRemovalsPerTxn);
      const uuids = some.flatMap((name) => this.#portOn(bridge, name)?.uuid ?? []);
      if (uuids.length === 0) continue;
      for (const name of some) this.#expected.add(name);
      try {
        await ovsdb.transactConfigured(removePorts(bridge, uuids), { signal });
      } finally {
        for (const name of some) this.#expected.delete(name);
      }
    }
  }

  async #releaseAll(): Promise<void> {
    const { links, log, onDrift } = this.#parts;
    while (this.#releasing.size > 0 && !this.#closed) {
      const some = [...this.#releasing].slice(0, portRemovalsPerTxn);
      for (const endpointId of some) this.#releasing.delete(endpointId);
      try {
        await this.#removePorts(some.map((endpointId) => linkNames(endpointId).host));
        for (const endpointId of some) {
          await links.remove(linkNames(endpointId).host, linkAlias(endpointId));
        }
      } catch (thrown) {
        // the next reconcile finds what is left
        log.warn({ err: thrown }, 'could not remove a port; trying again');
        onDrift();
        return;
      }
    }
  }

  #onState(): void {
    this.#poke();
    this.#parts.onDrift();
  }

  #poke(): void {
    for (const resume of this.#waiting) resume();
  }

  #tellPort(before: Row<'Interface'> | undefined, now: Row<'Interface'> | undefined): void {
    const tunnel = tunnelNumber(now);
    if (tunnel !== undefined) this.#parts.onTunnel(tunnel);
    const [was, is] = [endpointPort(before), endpointPort(now)];
    if (was?.endpointId === is?.endpointId && was?.number === is?.number) return;
    if (was !== undefined && was.endpointId !== is?.endpointId) {
      this.#parts.onPort(was.endpointId, undefined);
    }
    if (is !== undefined) this.#parts.onPort(is.endpointId, is.number);
  }

  /** Ours to look at: changes of bridges, of ports we did not touch, and new errors of interfaces. */
  #onChange(change: Change): void {
    this.#index.take(change);
    this.#poke();
    for (const one of change.Interface.values()) this.#tellPort(one.old, one.new);
    if (isDrift(change, this.#expected)) this.#parts.onDrift();
  }
}
