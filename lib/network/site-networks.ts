/**
 * Shared networks: what Docker's CreateNetwork makes of them, and what goes with their last use. Pure.
 */
import { FairleadError } from '../errors.ts';
import { decodeRecord, encodeRecord, type Stored } from '../model/record.ts';
import { lastAddress, parseCidr } from '../ip/ip.ts';
import { nodeRange, numberKey, siteNetworkKey, subnetKey } from '../model/site-keys.ts';
import {
  nodeSchema,
  siteNetworkSchema,
  type SiteNetwork,
  type SiteNetworkName,
  type SiteSubnet,
} from '../model/site.ts';
import type { Operation } from '../store/port.ts';
import { asRead, type Step, type TxnDraft } from '../store/plan.ts';
import type { GlobalConfig } from '../model/objects/global.ts';
import { sharedSpace } from './ipam/space.ts';
import { NodeMtus } from './node-mtus.ts';
import { claimNumber, takeNumber } from './numbers.ts';
import { newArp, newMode, newTags, useSettings } from './settings.ts';
import type { AskedNetwork, NamedPlace } from './site-options.ts';

/** A shared network as a host asks for it. */
export interface WantedSiteNetwork extends AskedNetwork {
  readonly internal: boolean;
  readonly subnets: readonly SiteSubnet[];
  readonly mtu: number | undefined;
  readonly options: Readonly<Record<string, string>>;
  /** Made by the managers of a swarm. */
  readonly ofSwarm?: boolean;
}

/** The shared network of this name, if there is one. */
export function* readSiteNetwork(name: SiteNetworkName): Step<Stored<SiteNetwork> | undefined> {
  const [row] = (yield { start: siteNetworkKey(name) }).rows;
  return row === undefined ? undefined : decodeRecord(siteNetworkSchema, row);
}

/**
 * Refuses with OBJECT_LEAVING a network that is being removed, and with REFERENCE_UNKNOWN one that is not there
 * for those who only follow the model.
 */
export function requirePresent(
  { name, follows }: NamedPlace,
  network: SiteNetwork | undefined,
): void {
  if (network?.leaving === true) throw leavingNetwork(name);
  if (network !== undefined || !follows) return;
  throw new FairleadError('REFERENCE_UNKNOWN', `the model has no network ${titleOf(name)}`);
}

/** The refusal of something that is asked of a network that is being removed. */
export const leavingNetwork = (name: SiteNetworkName): FairleadError =>
  new FairleadError('OBJECT_LEAVING', `network ${titleOf(name)} is being removed from its hosts`);

/** `T:N`, as messages and numbers name a shared network. */
export const titleOf = (name: SiteNetworkName): string => sharedSpace(name);

/**
 * Makes the shared network, or finds the one there is to be what is wanted. Refuses with NETWORK_MISMATCH,
 * TAG_IN_USE, SITE_LIMIT.
 */
export function* joinSiteNetwork(
  draft: TxnDraft,
  wanted: WantedSiteNetwork,
): Step<{ readonly network: SiteNetwork; readonly isNew: boolean }> {
  const key = siteNetworkKey(wanted.name);
  const existing = yield* readSiteNetwork(wanted.name);
  draft.compare.push(asRead(key, existing));
  requirePresent(wanted, existing?.value);
  if (existing !== undefined) {
    requireAgreement(wanted, existing.value);
    return { network: existing.value, isNew: false };
  }
  const network = yield* makeNetwork(draft, wanted);
  draft.then.push({ op: 'put', key, value: encodeRecord(network) });
  return { network, isNew: true };
}

function* makeNetwork(draft: TxnDraft, wanted: WantedSiteNetwork): Step<SiteNetwork> {
  const title = titleOf(wanted.name);
  const settings = yield* useSettings(draft);
  const encapsulation = yield* chooseEncapsulation(draft, wanted, title, settings);
  const mode = wanted.mode ?? newMode(settings, encapsulation.kind);
  return {
    tenant: wanted.name.tenant,
    name: wanted.name.network,
    number: yield* takeNumber(draft, 'network', title),
    encapsulation,
    subnets: [...wanted.subnets],
    internal: wanted.internal,
    outside: wanted.outside ?? !wanted.internal,
    mode,
    arp: wanted.arp ?? newArp(settings, mode),
    ...(wanted.mtu === undefined ? {} : { mtu: wanted.mtu }),
    options: { ...wanted.options },
    createdBy: 'docker',
    ...(wanted.ofSwarm === true ? { swarm: true as const } : {}),
  };
}

function* chooseEncapsulation(
  draft: TxnDraft,
  wanted: WantedSiteNetwork,
  owner: string,
  settings: GlobalConfig,
): Step<SiteNetwork['encapsulation']> {
  const kind = wanted.encap ?? (wanted.tag === 'native' ? 'vlan' : 'vxlan');
  if (wanted.tag !== undefined) {
    yield* claimNumber(draft, kind === 'vlan' ? 'vlan' : 'vni', wanted.tag, owner);
  }
  if (kind === 'vlan') {
    return {
      kind,
      tag:
        wanted.tag ??
        (yield* takeNumber(draft, 'vlan', owner, { span: newTags(settings, 'vlan') })),
    };
  }
  const vni =
    wanted.tag ?? (yield* takeNumber(draft, 'vni', owner, { span: newTags(settings, 'vni') }));
  // options say so for VLANs only
  if (vni === 'native') throw new FairleadError('REQUEST_INVALID', 'no VNI is native');
  return { kind, vni };
}

/** Everything that was given is as it is there; what was not given is as it may be. */
function requireAgreement(wanted: WantedSiteNetwork, there: SiteNetwork): void {
  const { encapsulation } = there;
  const tag = encapsulation.kind === 'vlan' ? encapsulation.tag : encapsulation.vni;
  const pairs: readonly (readonly [string, string | number | undefined, string | number])[] = [
    ['encap', wanted.encap, encapsulation.kind],
    ['pkt-tag', wanted.tag, tag],
    ['mode', wanted.mode, there.mode],
    ['arp', wanted.arp, there.arp],
    [
      'outside',
      wanted.outside === undefined ? undefined : String(wanted.outside),
      String(there.outside),
    ],
    ['MTU', wanted.mtu, there.mtu ?? 'none'],
    ['internal', String(wanted.internal), String(there.internal)],
  ];
  for (const [what, asked, has] of pairs) {
    if (asked !== undefined && asked !== has) throw mismatch(wanted.name, what, asked, has);
  }
  for (const { cidr, gateway } of wanted.subnets) {
    const same = there.subnets.find((one) => one.cidr === cidr);
    if (same === undefined) throw mismatch(wanted.name, 'subnet', cidr, listSubnets(there));
    if (gateway !== undefined && gateway !== same.gateway) {
      throw mismatch(wanted.name, `gateway of ${cidr}`, gateway, same.gateway ?? 'none');
    }
  }
}

/** The subnets of a network as a text. */
export const listSubnets = ({ subnets }: SiteNetwork): string =>
  subnets.map(({ cidr }) => cidr).join(', ') || 'none';

/** What was asked is not what is there. */
export function mismatch(
  name: SiteNetworkName,
  what: string,
  asked: string | number,
  has: string | number,
): FairleadError {
  return new FairleadError(
    'NETWORK_MISMATCH',
    `network ${titleOf(name)} is there with ${what} ${has}, not ${asked}`,
  );
}

/**
 * What goes with a network besides its pools: its row, the numbers that were its own, and the subnets for which there is
 * no pool (`unpooled`), as a swarm's have none.
 */
export function siteNetworkRemoval(
  network: SiteNetwork,
  unpooled: readonly string[],
): readonly Operation[] {
  const { encapsulation } = network;
  const tagKey =
    encapsulation.kind === 'vlan'
      ? numberKey('vlan', encapsulation.tag)
      : numberKey('vni', encapsulation.vni);
  // with their pools, the subnets of others go
  const subnets = network.swarm === true ? unpooled : [];
  return [
    ...subnets.map((cidr) => {
      const start = subnetKey(network.tenant, lastAddress(parseCidr(cidr)));
      return { op: 'delete', start } as const;
    }),
    { op: 'delete', start: siteNetworkKey({ tenant: network.tenant, network: network.name }) },
    { op: 'delete', start: numberKey('network', network.number) },
    { op: 'delete', start: tagKey },
  ];
}

/** Largest packet of a shared network with the hosts that there are now, bytes. */
export function* readSiteMtu(network: SiteNetwork): Step<number> {
  if (network.mtu !== undefined) return network.mtu;
  const mtus = new NodeMtus();
  for (const row of (yield nodeRange).rows) mtus.add(decodeRecord(nodeSchema, row).value);
  return mtus.of(network);
}
