/**
 * What the rules of a tenant say of a conversation, and which rule decides at each end: from the model alone, so
 * without a packet. `lib/policy/README.md` says what rules mean. Pure.
 */
import { FairleadError, hasCode } from '../../errors.ts';
import { parseAddress, parseCidr, type IpAddress, type IpFamily } from '../../ip/ip.ts';
import type { EndpointGroupConfig } from '../../model/objects/endpoint-group.ts';
import { settingsIn, type PolicySettings } from '../../model/objects/policy-settings.ts';
import { objectRange } from '../../model/objects/object-keys.ts';
import { objectKinds } from '../../model/objects/kinds.ts';
import { objectRowSchema } from '../../model/objects/rows.ts';
import { decodeRecord } from '../../model/record.ts';
import { siteNetworkRange, tenantSiteEndpointRange } from '../../model/site-keys.ts';
import {
  siteEndpointSchema,
  siteNetworkSchema,
  type SiteEndpoint,
  type SiteNetwork,
  type Tenant,
} from '../../model/site.ts';
import { compileRule, type IcmpTypes, type Verdict } from '../../policy/compile.ts';
import { bareGroupOf, stanceOf, type Stance, type StancePlace } from '../../policy/stance.ts';
import { judge, type Decision, type TenantPolicies } from '../../policy/judge.ts';
import type { Step } from '../../store/plan.ts';
import { groupOfEndpoint } from '../chosen-group.ts';
import { readTenant } from '../tenants.ts';
import { labelledAmong } from './labelled.ts';
import { configIn, readAll, unknownObject } from './object-rows.ts';

/** What is asked. */
export interface PolicyQuestion {
  readonly tenant: string;
  /** Who begins, and with whom: a container by id or name, or an address. */
  readonly from: string;
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
}

/** A tenant as its rules need it. */
interface Surroundings {
  readonly policies: TenantPolicies;
  readonly groupNumbers: ReadonlyMap<string, number>;
  readonly networks: ReadonlyMap<string, SiteNetwork>;
  readonly endpoints: readonly Attached[];
}

interface Attached {
  readonly network: string;
  readonly endpoint: SiteEndpoint;
  /** The name of the group that it is in. */
  readonly group: string | undefined;
}

/** One end as asked for: a container, or an address of nobody in the tenant. */
type Party = Attached | { readonly outside: IpAddress; readonly text: string };

/**
 * What both ends say, in each family that they have in common.
 * @throws OBJECT_UNKNOWN, REQUEST_INVALID
 */
export function* explainPolicy(question: PolicyQuestion): Step<readonly ExplainedFamily[]> {
  const { tenant, from, to } = question;
  const stored = yield* readTenant(tenant);
  if (stored === undefined) throw unknownObject({ kind: 'tenant', parts: [tenant] });
  const around = yield* readSurroundings(stored.value);
  const [client, server] = [from, to].map((text) => partyOf(around.endpoints, text));
  if (client === undefined || server === undefined) throw unclear('name two ends');
  if (!('endpoint' in client) && !('endpoint' in server)) {
    throw unclear(`neither ${from} nor ${to} is a container of tenant ${tenant}`);
  }
  const families = ([4, 6] as const).flatMap((family) => {
    const [source, target] = [addressIn(client, family), addressIn(server, family)];
    if (source === undefined || target === undefined || !isOf(question, family)) return [];
    const ends = { client: { ...client, address: source }, server: { ...server, address: target } };
    return [explainFamily(around, question, family, ends)];
  });
  if (families.length === 0) throw unclear(`${from} and ${to} have no family in common`);
  return families;
}

/** Whether a family has the type of ICMP message that is asked about. */
const isOf = ({ icmpTypes }: PolicyQuestion, family: IpFamily): boolean =>
  icmpTypes === undefined || (family === 4 ? icmpTypes.v4 : icmpTypes.v6) !== undefined;

type Addressed = Party & { readonly address: string };

function explainFamily(
  around: Surroundings,
  { protocol, port, icmpTypes }: PolicyQuestion,
  family: IpFamily,
  { client, server }: { readonly client: Addressed; readonly server: Addressed },
): ExplainedFamily {
  const { policies, networks } = around;
  const end = (party: Addressed) => ({
    address: parseAddress(party.address),
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
    address: party.address,
    group: groupOf(party),
    verdict,
    rule: rule === undefined ? '' : `${rule.policy}/${rule.name}`,
    default: place ?? '',
    audit: isAudited,
  };
}

const nameOf = ({ id, container }: SiteEndpoint): string =>
  container?.name.replace(/^\//, '') ?? id;

function addressIn(party: Party, family: IpFamily): string | undefined {
  if ('endpoint' in party) return family === 4 ? party.endpoint.ipv4 : party.endpoint.ipv6;
  return party.outside.family === family ? party.text : undefined;
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

/** Whom a text means: an address, or a container by its id, its name or the beginning of one. */
function partyOf(endpoints: readonly Attached[], text: string): Party {
  const outside = addressOf(text);
  const own = endpoints.find(({ endpoint }) => {
    const address = outside?.family === 4 ? endpoint.ipv4 : endpoint.ipv6;
    return address !== undefined && outside !== undefined && isSame(address, outside);
  });
  if (outside !== undefined) return own ?? { outside, text };
  const meant = [
    endpoints.filter(({ endpoint }) => namesOf(endpoint).includes(text)),
    endpoints.filter(({ endpoint }) => namesOf(endpoint).some((name) => name.startsWith(text))),
  ].find((found) => found.length > 0);
  const [one, other] = meant ?? [];
  if (one === undefined) throw unknownObject({ kind: 'endpoint', parts: [text] });
  if (other === undefined) return one;
  const what = [one, other].map(({ network, endpoint }) => `${nameOf(endpoint)} on ${network}`);
  throw new FairleadError('REQUEST_INVALID', `${text} is ${what.join(' and ')}`, {
    fix: 'say which by its address',
  });
}

const isSame = (address: string, { family, value }: IpAddress): boolean => {
  const parsed = parseAddress(address);
  return parsed.family === family && parsed.value === value;
};

function addressOf(text: string): IpAddress | undefined {
  try {
    return parseAddress(text);
  } catch (thrown) {
    if (hasCode(thrown, 'ADDRESS_INVALID')) return undefined;
    throw thrown;
  }
}

const namesOf = ({ id, container }: SiteEndpoint): readonly string[] =>
  [id, container?.id, container?.name.replace(/^\//, '')].filter((name) => name !== undefined);

const unclear = (message: string): FairleadError => new FairleadError('REQUEST_INVALID', message);
