/**
 * Networks of a swarm that are networks of the model, or groups of them: which is which, and for how long. The swarm
 * uses the network as hosts do (`useKey`), so an operator cannot remove it under it. Pure.
 */
import { FairleadError } from '../errors.ts';
import { encodeRecord } from '../model/record.ts';
import {
  networkSwarmVipRange,
  swarmNetworkKey,
  swarmPlaceKey,
  swarmUser,
  useKey,
  useRange,
} from '../model/site-keys.ts';
import type { SiteNetwork, SiteNetworkName, SwarmNetwork, SwarmPlace } from '../model/site.ts';
import { parseCidr } from '../ip/ip.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../store/plan.ts';
import { passGuard, readGuard } from './ipam/guard.ts';
import { readPoolNamed } from './ipam/read.ts';
import { readSwarmPlace, requireModel, takeAllBack } from './ipam/swarm-pools.ts';
import { passObjectGuard, readObjectGuard } from './objects/guards.ts';
import { readAll } from './objects/object-rows.ts';
import { contivTagOption, namedByModel } from './named-by-model.ts';
import {
  askedMtu,
  describeSubnets,
  mtuOption,
  requireKnownOptions,
  type NetworkRequest,
} from './networks.ts';
import { withoutPlaceholder, type RemovalProgress } from './shared-part.ts';
import { joinSiteNetwork, readSiteNetwork, titleOf } from './site-networks.ts';
import { askedNetwork, followsOption, siteOptions } from './site-options.ts';

/** What a swarm's network that is one of the model is there. */
export interface SwarmMapping {
  readonly name: SiteNetworkName;
  readonly group: string | undefined;
}

/** What a network of a swarm is of the model; undefined for one of the swarm's own. */
export function mappingOf({ tenant, network, group }: SwarmNetwork): SwarmMapping | undefined {
  return network === undefined ? undefined : { name: { tenant, network }, group };
}

/**
 * Makes a swarm's network the one of the model that its options name. Managers repeat the call, which changes nothing.
 * A network or group is one network of a swarm at most: Docker's calls about pools name no network. Refuses with
 * REFERENCE_UNKNOWN, OBJECT_LEAVING, NETWORK_EXISTS, NETWORK_MISMATCH, OPTION_UNKNOWN, REQUEST_INVALID.
 */
export function* planMapNetwork(
  request: Pick<NetworkRequest, 'id' | 'options' | 'subnets'>,
): Plan<SiteNetwork> {
  const known = siteOptions.filter((option) => option !== followsOption);
  requireKnownOptions(request.options, [...known, contivTagOption, mtuOption]);
  const asked = askedNetwork(yield* namedByModel(request.options));
  if (asked === undefined) throw new FairleadError('REQUEST_INVALID', 'no network is named');
  const { name, group } = asked;
  const guard = yield* readGuard(name);
  const object = { kind: 'endpointGroup', parts: [name.tenant, group ?? ''] } as const;
  const groupGuard = group === undefined ? undefined : yield* readObjectGuard(object);
  const there = yield* requireModel(asked);
  const given = describeSubnets({ ...request, internal: false, mtuDefault: 0 });
  requireIPv4(given);
  const draft: TxnDraft = { compare: [], then: [] };
  const { network } = yield* joinSiteNetwork(draft, {
    ...asked,
    // managers are not told
    internal: there.internal,
    subnets: given
      .map((subnet) => withoutPlaceholder(subnet, there))
      .map(({ cidr, gateway }) => ({ cidr, ...(gateway === undefined ? {} : { gateway }) })),
    mtu: askedMtu(request.options, given),
    options: {},
  });
  const place = yield* readSwarmPlace(name, group);
  if (place?.value.id === request.id) return { txn: undefined, answer: network };
  if (place !== undefined) throw taken(name, group, place.value.id);
  passGuard(draft, guard);
  if (groupGuard !== undefined) passObjectGuard(draft, groupGuard);
  const key = swarmPlaceKey(name, group);
  const mapped: SwarmNetwork = { ...name, ...(group === undefined ? {} : { group }) };
  const used: SwarmPlace = { id: request.id };
  draft.compare.push(asRead(key, undefined), asRead(swarmNetworkKey(request.id), undefined));
  draft.then.push(
    { op: 'put', key, value: encodeRecord(used) },
    { op: 'put', key: swarmNetworkKey(request.id), value: encodeRecord(mapped) },
    {
      op: 'put',
      key: useKey(name, swarmUser, request.id),
      value: encodeRecord({ host: swarmUser }),
    },
  );
  return { txn: draft, answer: network };
}

/** The first subnet of IPv4. Refuses with REQUEST_INVALID a network without, whose tasks would get no address. */
export function requireIPv4(subnets: readonly { readonly cidr: string }[]): string {
  const found = subnets.find(({ cidr }) => parseCidr(cidr).family === 4);
  if (found !== undefined) return found.cidr;
  throw new FairleadError('REQUEST_INVALID', 'a network of a swarm needs an IPv4 subnet', {
    fix: 'give --subnet twice, one of each family',
  });
}

const placeText = (name: SiteNetworkName, group: string | undefined): string =>
  group === undefined ? `network ${titleOf(name)}` : `group ${group} of network ${titleOf(name)}`;

const taken = (name: SiteNetworkName, group: string | undefined, id: string): FairleadError =>
  new FairleadError(
    'NETWORK_EXISTS',
    `${placeText(name, group)} is network ${id} of a swarm already`,
    {
      fix: `use that one, or docker network rm ${id}; if its swarm is gone, fairlead network rm ${id} --tenant ${name.tenant}`,
    },
  );

/** Ends that a swarm's network is one of the model. Its nodes may still have part in it. */
export function* planUnmapNetwork(id: string, mapping: SwarmMapping): Plan<RemovalProgress> {
  const draft: TxnDraft = { compare: [], then: [] };
  yield* unmap(draft, id, mapping);
  return { txn: draft, answer: 'done' };
}

function* unmap(draft: TxnDraft, id: string, { name, group }: SwarmMapping): Step<void> {
  const guard = yield* readGuard(name);
  const place = yield* readSwarmPlace(name, group);
  passGuard(draft, guard);
  draft.compare.push(asRead(swarmPlaceKey(name, group), place));
  if (place?.value.id === id) {
    draft.then.push({ op: 'delete', start: swarmPlaceKey(name, group) });
  }
  draft.then.push({ op: 'delete', start: useKey(name, swarmUser, id) });
  forgetNetwork(draft, id);
}

/** Adds that a network is none of a swarm any more, and has no services. */
export function forgetNetwork(draft: TxnDraft, id: string): void {
  draft.then.push(
    { op: 'delete', start: swarmNetworkKey(id) },
    { op: 'delete', ...networkSwarmVipRange(id) },
  );
}

/**
 * The same by an operator's hand, for a swarm that is gone: first all that it was given is taken back. Plan and run it
 * until it answers `done`. Refuses with OBJECT_IN_USE while a node has part in it.
 */
export function* planForgetMapping(
  id: string,
  mapping: SwarmMapping,
): Plan<{ readonly done: boolean }> {
  const { name, group } = mapping;
  const range = useRange(name);
  for (const { key } of yield* readAll(range)) {
    const [user, network] = key.slice(range.start.length).split('/');
    if (network !== id || user === swarmUser) continue;
    throw new FairleadError(
      'OBJECT_IN_USE',
      `host ${user} has part in network ${id} of the swarm`,
      {
        fix: `on a manager: docker network rm ${id}`,
      },
    );
  }
  const network = yield* readSiteNetwork(name);
  for (const { cidr } of network?.value.subnets ?? []) {
    const pool = yield* readPoolNamed(titleOf(name), cidr);
    if (pool === undefined) continue;
    const draft: TxnDraft = { compare: [], then: [] };
    yield* takeAllBack(draft, pool, group);
    if (draft.then.length > 0) return { txn: draft, answer: { done: false } };
  }
  const draft: TxnDraft = { compare: [], then: [] };
  yield* unmap(draft, id, mapping);
  return { txn: draft, answer: { done: true } };
}
