/**
 * What the rules of a tenant say of a conversation, and which rule decides at each end: from the model alone, so
 * without a packet. `lib/policy/README.md` says what rules mean. Pure.
 */
import { FairleadError } from '../../errors.ts';
import { formatAddress, parseCidr, type IpAddress, type IpFamily } from '../../ip/ip.ts';
import type { EndpointGroupConfig } from '../../model/objects/endpoint-group.ts';
import { icmpQuestions } from '../../model/objects/icmp-types.ts';
import { settingsIn, type PolicySettings } from '../../model/objects/policy-settings.ts';
import { objectRange } from '../../model/objects/object-keys.ts';
import { objectKinds } from '../../model/objects/kinds.ts';
import { objectRowSchema } from '../../model/objects/rows.ts';
import { decodeRecord } from '../../model/record.ts';
import { siteNetworkRange, tenantSiteEndpointRange } from '../../model/site-keys.ts';
import {
  siteEndpointSchema,
  siteNetworkSchema,
  type SiteNetwork,
  type Tenant,
} from '../../model/site.ts';
import { compileRule, type IcmpTypes, type Verdict } from '../../policy/compile.ts';
import { bareGroupOf, stanceOf, type Stance, type StancePlace } from '../../policy/stance.ts';
import { judge, type Decision, type TenantPolicies } from '../../policy/judge.ts';
import type { Step } from '../../store/plan.ts';
import { groupOfEndpoint } from '../chosen-group.ts';
import { readTenant } from '../tenants.ts';
import {
  addressIn,
  meantBy,
  nameOf,
  type Attached,
  type MeantService,
  type Party,
} from './explain-ends.ts';
import {
  hasPorts,
  readServices,
  readyBehind,
  targetOf,
  type ToldService,
} from './explain-service.ts';
import { labelledAmong } from './labelled.ts';
import { configIn, readAll, unknownObject } from './object-rows.ts';

/** What is asked. */
export interface PolicyQuestion {
  readonly tenant: string;
  /** Who begins: a container by id or name, or an address. */
  readonly from: string;
  /** With whom: as well, or a service by name or address. */
  readonly to: string;
  /** Protocol numbers of both families. */
  readonly protocol: { readonly v4: number; readonly v6: number };
  /** The server's port; 0 for protocols without. */
  readonly port: number;
  /** The types of ICMP messages of both families; undefined for other protocols. */
  readonly icmpTypes: IcmpTypes | undefined;
}

/** One end, and what it says. */
export interface ExplainedEnd {
  /** The container's name or id; nothing for who is outside of the tenant. */
  readonly container: string;
  readonly address: string;
  /** Its group; nothing for none. */
  readonly group: string;
  /** What comes of it. */
  readonly verdict: Verdict;
  /** The rule that decides, `policy/rule`; nothing where none fits. */
  readonly rule: string;
  /** Where no rule fits: whose default decides; nothing where a rule does. */
  readonly default: StancePlace | '';
  /** It is denied, and passes since denials are only counted. */
  readonly audit: boolean;
}

/** What is said of one family. */
export interface ExplainedFamily {
  readonly family: IpFamily;
  readonly verdict: Verdict;
  /** Who begins, by its rules `out`. */
  readonly out: ExplainedEnd;
  /** With whom, by its rules `in`. */
  readonly in: ExplainedEnd;
  /** By a service: the containers of which all of this is so, `in` being the first, and their port. */
  readonly behind?: { readonly port: number; readonly containers: readonly ServedContainer[] };
}

/** A container that gets what is new by a service. */
export interface ServedContainer {
  readonly container: string;
  readonly address: string;
}

/** What becomes of who speaks to an address of a service. */
export interface ExplainedAddress {
  readonly family: IpFamily;
  readonly address: string;
  /** `judged`: he gets one of the containers that are told of; `answered`: by his own host, without rules. */
  readonly outcome: 'judged' | 'answered' | 'unreachable';
  /** Why nobody gets through; nothing otherwise. */
  readonly reason: string;
}

/** What is said. */
export interface Explained {
  /** In each family that both have; of a service several where its containers differ. */
  readonly families: readonly ExplainedFamily[];
  /** The service that is spoken to. */
  readonly service?: { readonly name: string; readonly addresses: readonly ExplainedAddress[] };
}

/** A tenant as its rules need it. */
interface Surroundings {
  readonly policies: TenantPolicies;
  readonly groupNumbers: ReadonlyMap<string, number>;
  readonly networks: ReadonlyMap<string, SiteNetwork>;
  readonly endpoints: readonly Attached[];
}

/**
 * What both ends say, in each family that they have in common.
 * @throws OBJECT_UNKNOWN, REQUEST_INVALID
 */
export function* explainPolicy(question: PolicyQuestion): Step<Explained> {
  const { tenant, from, to } = question;
  const stored = yield* readTenant(tenant);
  if (stored === undefined) throw unknownObject({ kind: 'tenant', parts: [tenant] });
  const around = yield* readSurroundings(stored.value);
  const services = yield* readServices(tenant, around.networks);
  const [client, server] = [from, to].map((text) => meantBy({ ...around, services }, text));
  if (client === undefined || server === undefined) throw unclear('name two ends');
  if ('service' in client) throw unclear(`${from} is a service: it begins no conversations`);
  if ('service' in server) return yield* explainService(around, question, client, server);
  if (!('endpoint' in client) && !('endpoint' in server)) {
    throw unclear(`neither ${from} nor ${to} is a container of tenant ${tenant}`);
  }
  const families = ([4, 6] as const).flatMap((family) => {
    const source = addressIn(client, server, family);
    const target = addressIn(server, client, family);
    if (source === undefined || target === undefined || !isOf(question, family)) return [];
    const ends = { client: { ...client, address: source }, server: { ...server, address: target } };
    return [explainFamily(around, question, family, ends)];
  });
  if (families.length === 0) throw unclear(`${from} and ${to} have no family in common`);
  return { families };
}

/** By a service each of the containers that get what is new is judged by itself, with the port that it listens to. */
function* explainService(
  around: Surroundings,
  question: PolicyQuestion,
  client: Party,
  { service, addresses }: MeantService,
): Step<Explained> {
  const ready = yield* readyBehind(service, around.networks, around.endpoints);
  const families: ExplainedFamily[] = [];
  const told: ExplainedAddress[] = [];
  for (const address of addresses) {
    const { family } = address;
    const source = addressIn(client, undefined, family);
    if (source === undefined || !isOf(question, family)) continue;
    const servers = ready.flatMap(({ candidate, addresses: { [family]: at } }) =>
      at === undefined ? [] : { ...candidate, isLinkLocal: false, address: at },
    );
    const way = wayIn(service, question, { client, family, isAnybodyReady: servers.length > 0 });
    told.push({ family, address: formatAddress(address), ...way.said });
    if (way.port === undefined) continue;
    const { port } = way;
    const judged = servers.map((server) => {
      const ends = { client: { ...client, address: source }, server };
      return explainFamily(around, { ...question, port }, family, ends);
    });
    families.push(...alike(judged, port));
  }
  if (told.length === 0)
    throw unclear(`${question.from} and ${question.to} have no family in common`);
  return { families, service: { name: service.name, addresses: told } };
}

/** What becomes of who speaks to a service in a family, and the port of its containers that he gets. */
function wayIn(
  service: ToldService,
  { protocol: { v4, v6 }, port: asked, icmpTypes }: PolicyQuestion,
  at: { readonly client: Party; readonly family: IpFamily; readonly isAnybodyReady: boolean },
): { readonly said: Pick<ExplainedAddress, 'outcome' | 'reason'>; readonly port?: number } {
  const because = (reason: string) => ({ said: { outcome: 'unreachable', reason } as const });
  const protocol = at.family === 4 ? v4 : v6;
  if (!('endpoint' in at.client) || at.client.endpoint.link !== undefined) {
    return because('only containers of its tenant reach a service');
  }
  if (icmpTypes !== undefined && icmpTypes.v4 === icmpQuestions['echo']?.v4)
    return { said: { outcome: 'answered', reason: '' } };
  const port = targetOf(service, protocol, asked);
  if (port === undefined) {
    return because(hasPorts(protocol) ? 'it has no such port' : 'it has ports only');
  }
  if (!at.isAnybodyReady) return because('nobody is ready behind it');
  return { said: { outcome: 'judged', reason: '' }, port };
}

/** Containers of which the same is said are told of together. */
function alike(judged: readonly ExplainedFamily[], port: number): readonly ExplainedFamily[] {
  const found = new Map<string, { first: ExplainedFamily; containers: ServedContainer[] }>();
  for (const each of judged) {
    const { container, address, ...same } = each.in;
    const key = JSON.stringify([same, each.out]);
    const known = found.get(key) ?? { first: each, containers: [] };
    known.containers.push({ container, address });
    found.set(key, known);
  }
  return [...found.values()].map(({ first, containers }) => ({
    ...first,
    behind: { port, containers },
  }));
}

/** Whether a family has the type of ICMP message that is asked about. */
const isOf = ({ icmpTypes }: PolicyQuestion, family: IpFamily): boolean =>
  icmpTypes === undefined || (family === 4 ? icmpTypes.v4 : icmpTypes.v6) !== undefined;

type Addressed = Party & { readonly address: IpAddress };

function explainFamily(
  around: Surroundings,
  { protocol, port, icmpTypes }: PolicyQuestion,
  family: IpFamily,
  { client, server }: { readonly client: Addressed; readonly server: Addressed },
): ExplainedFamily {
  const { policies, networks } = around;
  const end = (party: Addressed) => ({
    address: party.address,
    group: numberOf(around, party),
  });
  const isInOne = 'endpoint' in client && 'endpoint' in server && client.network === server.network;
  const said = judge(policies, {
    client: end(client),
    server: end(server),
    protocol: family === 4 ? protocol.v4 : protocol.v6,
    port,
    icmpType: family === 4 ? icmpTypes?.v4 : icmpTypes?.v6,
    network: isInOne ? networks.get(client.network)?.number : undefined,
  });
  return {
    family,
    verdict: said.verdict,
    out: explainedEnd(client, said.out),
    in: explainedEnd(server, said.in),
  };
}

const groupOf = (party: Party): string => ('endpoint' in party ? (party.group ?? '') : '');

/** The number of the group that somebody is in. */
function numberOf({ groupNumbers, networks }: Surroundings, party: Party): number | undefined {
  if (!('endpoint' in party)) return undefined;
  const { group } = party;
  if (group !== undefined) return groupNumbers.get(group);
  const network = networks.get(party.network);
  return network && bareGroupOf(network.number);
}

function explainedEnd(
  party: Addressed,
  { verdict, rule, place, isAudited }: Decision,
): ExplainedEnd {
  return {
    container: 'endpoint' in party ? nameOf(party.endpoint) : '',
    address: formatAddress(party.address),
    group: groupOf(party),
    verdict,
    rule: rule === undefined ? '' : `${rule.policy}/${rule.name}`,
    default: place ?? '',
    audit: isAudited,
  };
}

function* readSurroundings(stored: Tenant): Step<Surroundings> {
  const tenant = stored.name;
  const groupRows = yield* readAll(objectRange('endpointGroup', [tenant]));
  const groups = groupRows.flatMap((row) => {
    const { value } = decodeRecord(objectRowSchema(objectKinds.endpointGroup), row);
    const config = configIn('endpointGroup', value);
    return value.number === undefined ? [] : [{ config, number: value.number }];
  });
  const groupNumbers = new Map(groups.map(({ config, number }) => [config.groupName, number]));
  const networks = new Map(
    (yield* readAll(siteNetworkRange))
      .map((row) => decodeRecord(siteNetworkSchema, row).value)
      .filter((network) => network.tenant === tenant)
      .map((network) => [network.name, network]),
  );
  const names = {
    groupNumber: (name: string) => groupNumbers.get(name),
    network: (name: string) => {
      const found = networks.get(name);
      const cidrs = found?.subnets.map(({ cidr }) => parseCidr(cidr));
      return found && cidrs && { number: found.number, cidrs };
    },
  };
  const rules = (yield* readAll(objectRange('rule', [tenant]))).flatMap((row) => {
    const { value } = decodeRecord(objectRowSchema(objectKinds.rule), row);
    return compileRule(configIn('rule', value), names) ?? [];
  });
  const labelled = labelledAmong(groups.map(({ config }) => config));
  const endpoints = (yield* readAll(tenantSiteEndpointRange(tenant))).map((row) => {
    const [, , , network = ''] = row.key.split('/');
    const endpoint = decodeRecord(siteEndpointSchema, row).value;
    return { network, endpoint, group: groupOfEndpoint(endpoint, network, labelled) };
  });
  const policies = {
    rules,
    groups: new Map(groups.map(({ config, number }) => [number, config.policies])),
    stances: stancesOf(stored, groups, networks),
  };
  return { policies, groupNumbers, networks, endpoints };
}

/** What groups do where no rule fits, those of networks for who is in no group among them. */
function stancesOf(
  tenant: Tenant,
  groups: readonly { readonly config: EndpointGroupConfig; readonly number: number }[],
  networks: ReadonlyMap<string, SiteNetwork>,
): ReadonlyMap<number, Stance> {
  const of = (network: SiteNetwork | undefined, group: PolicySettings | undefined) =>
    stanceOf({ group, network: network && settingsIn(network), tenant: settingsIn(tenant) });
  return new Map([
    ...groups.map(
      ({ config, number }) => [number, of(networks.get(config.networkName), config)] as const,
    ),
    ...[...networks.values()].map(
      (network) => [bareGroupOf(network.number), of(network, undefined)] as const,
    ),
  ]);
}

const unclear = (message: string): FairleadError => new FairleadError('REQUEST_INVALID', message);
