/**
 * The uplinks of this host: NICs taken, kept and given back. One path for start, restart and drift: look at
 * what is there, write what differs. Guarantees: a NIC that the host itself uses is never taken (looked at
 * right before, and once more right after); how a NIC was is remembered in the transaction that takes it and
 * put right when it is given back; the host's kernel is silent on a NIC that is an uplink.
 */
import { asFairleadError, describeError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { findBridge, type OurBridge, type Rows } from '../bridge.ts';
import type { LinkEvent, Links, LinkWatch, NicSettings } from '../link/links.ts';
import type { OvsdbClient } from '../ovsdb/client.ts';
import { mutate } from '../ovsdb/operations.ts';
import type { Change } from '../ovsdb/replica.ts';
import type { Row } from '../ovsdb/schema.ts';
import { uplinkChanges } from './changes.ts';
import { decodeFound, encodeFound, foundKey, rememberedNics } from './found.ts';
import { whyNotUplink, type HostUse } from './judge.ts';
import { uplinkBridgeName, wirePeerName, wirePortName } from './layout.ts';
import { observeUplinks, usersOfLinks, wireNumber, type ObservedUplinks } from './observe.ts';

/** What it is made of. */
export interface UplinkParts {
  /** `--uplinks`: none, one, or several as one bond. */
  readonly names: readonly string[];
  readonly ovsdb: Pick<OvsdbClient, 'rows' | 'subscribe' | 'transactConfigured' | 'waitConfigured'>;
  readonly links: Pick<
    Links,
    'list' | 'addresses' | 'routes' | 'connectedAddresses' | 'nic' | 'setNic' | 'watch'
  >;
  readonly log: Logger;
  /** Told when a NIC has come, gone or changed. */
  readonly onDrift: () => void;
  /** Told of the OpenFlow number of the port to the wire. */
  readonly onWire: (number: number) => void;
}

/** What is wrong with an uplink. */
export type UplinkProblemCode =
  | 'UPLINK_IN_USE'
  | 'UPLINK_ABSENT'
  | 'UPLINK_FAILED'
  | 'UPLINK_DOWN'
  | 'UPLINK_SHARED';

/** One thing that is wrong. */
export interface UplinkProblem {
  readonly code: UplinkProblemCode;
  /** One line for a person. */
  readonly message: string;
}

const patchNames: ReadonlySet<string> = new Set([wirePortName, wirePeerName]);

interface Look extends HostUse {
  readonly observed: ObservedUplinks;
}

/** The uplinks of a host. */
export class Uplinks {
  readonly #parts: UplinkParts;
  readonly #unsubscribe: () => void;
  readonly #watch: LinkWatch | undefined;
  /** What was told of each NIC last, so that only what matters counts as drift. */
  readonly #told = new Map<string, string>();
  #number: number | undefined;

  constructor(parts: UplinkParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.ovsdb.subscribe((change) => this.#onChange(change));
    this.#watch =
      parts.names.length === 0 ? undefined : parts.links.watch((event) => this.#onLink(event));
  }

  /**
   * Makes the uplinks what they should be; answers what is wrong. Our bridge has to be there.
   * @throws OVS_*, LINK_FAILED, BRIDGE_NOT_OURS, PORT_NOT_OURS
   */
  async reconcile(signal: AbortSignal): Promise<readonly UplinkProblem[]> {
    const main = findBridge(this.#rows());
    if (main === undefined || this.#isIdle(main)) return [];
    const before = await this.#look(main);
    const members = this.#membersOf(before);
    await this.#write(main, before.observed, members, signal);
    const after = await this.#look(main);
    const regretted = members.filter(
      (name) => !before.observed.members.has(name) && whyNotUplink(name, after) !== undefined,
    );
    const kept = members.filter((name) => !regretted.includes(name));
    // somebody began to use it in the very moment: the host goes first
    if (regretted.length > 0) await this.#write(main, after.observed, kept, signal);
    const failures = [
      ...(await this.#silence(main, kept)),
      ...(await this.#restore(kept, after, signal)),
    ];
    return [...this.#problemsOf(after, regretted), ...failures];
  }

  /** Stops watching; uplinks stay as they are. */
  close(): void {
    this.#unsubscribe();
    this.#watch?.close();
  }

  #rows(): Rows {
    const { ovsdb } = this.#parts;
    return {
      bridges: ovsdb.rows('Bridge'),
      ports: ovsdb.rows('Port'),
      interfaces: ovsdb.rows('Interface'),
    };
  }

  /** Nothing is wanted, and nothing is left of what was. */
  #isIdle(main: OurBridge): boolean {
    const { names, ovsdb } = this.#parts;
    if (names.length > 0) return false;
    const { bridge, wire } = observeUplinks(this.#rows(), main);
    const remembers = [...ovsdb.rows('Open_vSwitch').values()].some(
      ({ external_ids: ids }) => rememberedNics(ids).size > 0,
    );
    return bridge === undefined && wire === undefined && !remembers;
  }

  async #look(main: OurBridge): Promise<Look> {
    const { links } = this.#parts;
    const [list, addresses, routes, connected] = await Promise.all([
      links.list(),
      links.addresses(),
      links.routes(),
      links.connectedAddresses(),
    ]);
    // last, so that rows and kernel are of about the same time
    const rows = this.#rows();
    const bridges = usersOfLinks(rows);
    const observed = observeUplinks(rows, findBridge(rows) ?? main);
    return { links: list, addresses, routes, connected, bridges, observed };
  }

  /** NICs that are to be uplinks now: one that is already stays, unless it has vanished or is elsewhere. */
  #membersOf(look: Look): readonly string[] {
    return this.#parts.names.filter((name) => {
      const reason = whyNotUplink(name, look);
      if (reason === undefined) return true;
      const isHere = look.links.some((link) => link.name === name) && !look.bridges.has(name);
      return isHere && look.observed.members.has(name);
    });
  }

  async #write(
    main: OurBridge,
    observed: ObservedUplinks,
    members: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const { names, ovsdb, links, log } = this.#parts;
    const wanted = names.length === 0 ? undefined : { members, isBond: names.length > 1 };
    const operations = uplinkChanges(main, observed, wanted);
    if (operations.length === 0) return;
    const taken = members.filter((name) => !observed.members.has(name));
    const found: [string, string][] = [];
    for (const name of taken) found.push([foundKey(name), encodeFound(await links.nic(name))]);
    // what is remembered from before, of a NIC that was not given back yet, stays
    const remember = mutate('Open_vSwitch', [], [['external_ids', 'insert', new Map(found)]]);
    const { nextCfg } = await ovsdb.transactConfigured([...operations, remember], { signal });
    const left = [...observed.members.keys()].filter((name) => !members.includes(name));
    log.info({ uplinks: members, taken, left }, 'changed the uplinks');
    // vswitchd puts back what it changed of a NIC; what is done here comes after that
    if (left.length > 0) await ovsdb.waitConfigured(nextCfg, { signal });
  }

  /** The kernel neither answers nor sends on an uplink, and the NIC is on. */
  async #silence(main: OurBridge, members: readonly string[]): Promise<readonly UplinkProblem[]> {
    const { links, log } = this.#parts;
    const problems: UplinkProblem[] = [];
    for (const name of members) {
      try {
        const now = await links.nic(name);
        const change = silenceOf(now, main.row.datapath_type === 'netdev');
        if (change === undefined) continue;
        await links.setNic(name, change);
        log.info({ uplink: name, change }, 'set up an uplink');
      } catch (thrown) {
        problems.push(failed(name, describeError(asFairleadError(thrown))));
      }
    }
    return problems;
  }

  /** Gives NICs back that are no uplinks any more: each is as it was found, then that is forgotten. */
  async #restore(
    members: readonly string[],
    look: Look,
    signal: AbortSignal,
  ): Promise<readonly UplinkProblem[]> {
    const { ovsdb, links, log } = this.#parts;
    const problems: UplinkProblem[] = [];
    for (const row of ovsdb.rows('Open_vSwitch').values()) {
      for (const [name, text] of rememberedNics(row.external_ids)) {
        if (members.includes(name)) continue;
        const settings = backTo(decodeFound(text), whyNotUplink(name, look)?.code);
        try {
          if (settings !== undefined) await links.setNic(name, settings);
          const forget = mutate('Open_vSwitch', [], [['external_ids', 'delete', [foundKey(name)]]]);
          await ovsdb.transactConfigured([forget], { signal });
          log.info({ uplink: name, settings }, 'gave an uplink back');
        } catch (thrown) {
          problems.push(failed(name, describeError(asFairleadError(thrown))));
        }
      }
    }
    return problems;
  }

  #problemsOf(look: Look, regretted: readonly string[]): readonly UplinkProblem[] {
    const problems: UplinkProblem[] = [];
    for (const name of this.#parts.names) {
      const reason = whyNotUplink(name, look);
      if (reason?.code === 'UPLINK_ABSENT' || reason?.code === 'UPLINK_IN_USE') {
        problems.push({ code: reason.code, message: describeError(reason) });
      }
      const error = look.observed.members.get(name);
      if (regretted.includes(name) || !look.observed.members.has(name)) continue;
      if (error !== undefined) problems.push(failed(name, error));
      const link = look.links.find((one) => one.name === name);
      if (link?.up === true && !link.running) {
        problems.push({ code: 'UPLINK_DOWN', message: `uplink ${name} has no carrier` });
      }
    }
    for (const name of look.observed.foreign) {
      const message = `port ${name} on bridge ${uplinkBridgeName} is not ours, and is on every VLAN; fix: remove it`;
      problems.push({ code: 'UPLINK_SHARED', message });
    }
    return problems;
  }

  #onChange(change: Change): void {
    // that ports come and go is told by the rows of ports
    const isSet =
      change.Bridge.values().some(
        ({ old, new: row }) => row?.name === uplinkBridgeName && old?.ports === row.ports,
      ) ||
      change.Interface.values().some(
        ({ old, new: row }) =>
          old !== undefined && row !== undefined && patchNames.has(row.name) && !isSame(old, row),
      );
    if (isSet) this.#parts.onDrift();
    for (const { new: row } of change.Interface.values()) {
      const number = row && wireNumber(row);
      if (number === undefined || number === this.#number) continue;
      this.#number = number;
      this.#parts.onWire(number);
    }
  }

  #onLink(event: LinkEvent): void {
    const { names, onDrift } = this.#parts;
    if (event.kind === 'lost') return onDrift();
    const { name, index, up, running, mtu, master } = event.link;
    if (!names.includes(name) && !this.#told.has(name)) return;
    const told = event.kind === 'removed' ? '' : JSON.stringify([index, up, running, mtu, master]);
    if (told === this.#told.get(name)) return;
    this.#told.set(name, told);
    onDrift();
  }
}

/** Whether a patch leads where it led. */
function isSame(one: Row<'Interface'>, other: Row<'Interface'>): boolean {
  return one.options === other.options && one.type === other.type;
}

function failed(name: string, reason: string): UplinkProblem {
  return { code: 'UPLINK_FAILED', message: `uplink ${name}: ${reason}` };
}

/** What to set of a NIC that is given back; one that somebody else uses by now is not switched off. */
function backTo(
  found: NicSettings | undefined,
  obstacle: string | undefined,
): Partial<NicSettings> | undefined {
  if (found === undefined || obstacle === 'UPLINK_ABSENT') return undefined;
  if (obstacle === undefined) return found;
  const { kernel, merging } = found;
  return { kernel, merging };
}

const silent = {
  ipv4Forwarding: '0',
  ipv4ReversePath: '1',
  ipv4ArpIgnore: '8',
  ipv6Disabled: '1',
} as const;

/** What has to be changed so that the kernel is silent on a NIC; undefined when nothing has. */
function silenceOf(now: NicSettings, isUserspace: boolean): Partial<NicSettings> | undefined {
  const kernel = Object.fromEntries(
    Object.entries(silent).filter(
      ([name, value]) => (now.kernel[name as keyof typeof silent] ?? value) !== value,
    ),
  );
  // packets put together are larger than the MTU: a switch in user space drops them
  const merging = {
    ...(isUserspace && now.merging.gro === true ? { gro: false } : {}),
    ...(isUserspace && now.merging.lro === true ? { lro: false } : {}),
  };
  const isChanged = [kernel, merging].some((part) => Object.keys(part).length > 0);
  if (now.up && !isChanged) return undefined;
  return { kernel, merging, up: true };
}
