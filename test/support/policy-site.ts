/**
 * A tenant with groups on three hosts: its rules are written by REST, what is said in it is said with real packets,
 * and what should come of it is read from the texts of the rules (`test/policy/plain-reading.ts`).
 */
import type { PolicyHits } from '../../lib/host/policy-hits.ts';
import { apiClient } from '../../lib/cli/api-client.ts';
import type { RuleConfig } from '../../lib/model/objects/rule.ts';
import type { LabHost } from '../lab/host.ts';
import type { Vantage } from '../lab/traffic/instrument.ts';
import { ping, untilReaches } from '../lab/traffic/pings.ts';
import { callTcp, serveTcp } from '../lab/traffic/tcp.ts';
import { listenUdp, sendUdp } from '../lab/traffic/udp.ts';
import { containerOf } from '../lab/traffic/vantages.ts';
import { deciding, type PlainConversation, type PlainTenant } from '../policy/plain-reading.ts';
import type { LabSite } from './lab-site.ts';
import { netctlOk } from './netctl.ts';
import { runContainer } from './shared-networks.ts';
import { SiteAgents } from './site-agents.ts';

/** The tenant. */
export const tenant = 'blue';
/** Groups, and the networks that they are of; `free` are containers of a network and of no group. */
export const groups = { front: 'web', back: 'web', data: 'db' } as const;
type Group = keyof typeof groups;
const networkNumbers = { web: 1, db: 2 } as const;
type Network = keyof typeof networkNumbers;
/** The subnets of the networks. */
export const subnetsOf: Record<Network, readonly string[]> = {
  web: ['10.80.1.0/24', 'fd80:1::/64'],
  db: ['10.80.2.0/24', 'fd80:2::/64'],
};
/** The containers of each host. The digits of two in one network differ. */
const containers = {
  front1: 1,
  back2: 1,
  free3: 1,
  data1: 1,
  front4: 2,
  back5: 2,
  data2: 2,
  back6: 3,
  free7: 3,
} as const;
/** A container. */
export type Name = keyof typeof containers;
const names = Object.keys(containers) as Name[];
const kindOf = (name: Name): string => name.slice(0, -1);
const groupOf = (name: Name): Group | '' =>
  kindOf(name) === 'free' ? '' : (kindOf(name) as Group);
/** The network of a container. */
export const networkOf = (name: Name): Network => {
  const group = groupOf(name);
  return group === '' ? 'web' : groups[group];
};
/** A container's address. */
export const addressOf = (name: Name, family: 4 | 6): string =>
  `${family === 4 ? '10.80.' : 'fd80:'}${networkNumbers[networkOf(name)]}${family === 4 ? '.' : '::'}${name.slice(-1)}`;

/** A way to speak. */
export interface Speech {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  /** 0 without ports. */
  readonly port: number;
}
const ports = [80, 81] as const;
/** All ways to speak that somebody answers. */
export const speeches: readonly Speech[] = [
  ...ports.flatMap((port): Speech[] => [
    { protocol: 'tcp', port },
    { protocol: 'udp', port },
  ]),
  { protocol: 'icmp', port: 0 },
];

/** Somebody begins to speak with somebody. */
export interface Talk extends Speech {
  readonly client: Name;
  readonly server: Name;
  readonly family: 4 | 6;
}

/** A rule, as far as it says something; `in`, `deny` and priority 1 without. */
export type Rule = Partial<Omit<RuleConfig, 'tenantName' | 'ruleId' | 'policyName'>>;
/** Rules by policy, and which groups have which policies. */
export interface Policies {
  readonly has: Partial<Record<Group, readonly string[]>>;
  readonly rules: Readonly<Record<string, readonly Rule[]>>;
  /** What is done where no rule fits, and with what is denied: `deny-in audit`; nothing is inherited. */
  readonly says?: Says;
}
type Says = Partial<Record<Group | Network | typeof tenant, string>>;

const protocolNumbers = { tcp: [6, 6], udp: [17, 17], icmp: [1, 58] } as const;
const silence: Omit<RuleConfig, 'policyName' | 'ruleId'> = {
  tenantName: tenant,
  direction: 'in',
  priority: 1,
  action: 'deny',
  protocol: '',
  port: 0,
  portLast: 0,
  icmpType: '',
  fromEndpointGroup: '',
  toEndpointGroup: '',
  fromNetwork: '',
  toNetwork: '',
  fromIpAddress: '',
  toIpAddress: '',
};

/** The site at work. */
export class PolicySite {
  readonly agents: SiteAgents;
  readonly #lab: LabSite;
  readonly #at = new Map<Name, Vantage>();
  #rules: readonly RuleConfig[] = [];
  #has: Policies['has'] = {};
  #says: Says = {};
  readonly #ids = new Map<string, string>();

  private constructor(lab: LabSite, agents: SiteAgents) {
    this.#lab = lab;
    this.agents = agents;
  }

  /** Makes it, with servers on all containers. */
  static async open(lab: LabSite): Promise<PolicySite> {
    const site = new PolicySite(lab, await SiteAgents.start(lab.hosts, { form: 'binary' }));
    await site.#make();
    return site;
  }

  /** Where a container is. */
  at(name: Name): Vantage {
    const found = this.#at.get(name);
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  }

  /** From now on these are the rules, and no others. Those that stay are not touched. */
  async write({ has, rules, says = {} }: Policies): Promise<void> {
    const after = Object.entries(rules).flatMap(([policyName, own]) =>
      own.map((rule) => withSubnets({ ...silence, ...rule, policyName, ruleId: this.#idOf(rule) })),
    );
    const kept = new Set(after.map(keyOf));
    const there = new Set(this.#rules.map(keyOf));
    for (const policyName of Object.keys(rules)) {
      await this.#post('policys', `${tenant}:${policyName}`, { tenantName: tenant, policyName });
    }
    for (const rule of after) {
      if (!there.has(keyOf(rule))) await this.#post('rules', keyOf(rule), rule);
    }
    for (const groupName of Object.keys(groups) as Group[]) {
      const policies = has[groupName] ?? [];
      if (policies.join(' ') === (this.#has[groupName] ?? []).join(' ')) continue;
      const group = { tenantName: tenant, groupName, networkName: groups[groupName], policies };
      await this.#post('endpointGroups', `${tenant}:${groupName}`, group);
    }
    this.#has = has;
    await this.#say(says);
    const before = this.#rules;
    this.#rules = after;
    for (const rule of before) {
      if (!kept.has(keyOf(rule))) await this.#remove('rules', keyOf(rule));
    }
  }

  /** Changes the settings of who says something else than before. */
  async #say(says: Says): Promise<void> {
    const before = this.#says;
    this.#says = says;
    for (const name of [tenant, 'web', 'db', ...(Object.keys(groups) as Group[])] as const) {
      if (says[name] === before[name]) continue;
      const [defaultAction = 'inherit', enforcement = 'inherit'] = wordsOf(says[name]);
      const settings = { tenantName: tenant, defaultAction, enforcement };
      if (name === tenant) await this.#post('tenants', tenant, settings);
      else if (name === 'web' || name === 'db') {
        const network = { networkName: name, encap: 'vxlan', subnet: subnetsOf[name][0] };
        await this.#post('networks', `${tenant}:${name}`, { ...settings, ...network });
      } else {
        const policies = this.#has[name] ?? [];
        const group = { groupName: name, networkName: groups[name], policies };
        await this.#post('endpointGroups', `${tenant}:${name}`, { ...settings, ...group });
      }
    }
  }

  /** What a group says in the end; of who is in none, by its network. */
  #stanceOf(group: Group | '', network: Network): string {
    const places = [group === '' ? undefined : this.#says[group], this.#says[network]];
    const all = [...places, this.#says[tenant]].map(wordsOf);
    const action = all.find(([said]) => said !== undefined)?.[0] ?? 'allow';
    const enforcement = all.find(([, said]) => said !== undefined)?.[1] ?? 'enforce';
    return `${action} ${enforcement}`;
  }

  /** Rules of the same words have the same name. */
  #idOf(rule: Rule): string {
    const words = JSON.stringify(Object.entries(rule).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    const id = this.#ids.get(words) ?? `r${this.#ids.size + 1}`;
    this.#ids.set(words, id);
    return id;
  }

  /** Whether the rules allow it, by a plain reading. */
  isAllowed(talk: Talk): boolean {
    return this.#ends(talk).every(({ verdict }) => verdict === 'allow');
  }

  /** The rules that decide at both ends, by a plain reading: of the client's, of the server's. */
  #ends(talk: Talk) {
    const { client, server, family, protocol, port } = talk;
    const end = (name: Name) => ({ address: addressOf(name, family), group: groupOf(name) });
    const conversation: PlainConversation = {
      client: end(client),
      server: end(server),
      protocol: protocolNumbers[protocol][family === 4 ? 0 : 1],
      port,
      asked: protocol === 'icmp' ? 'echo' : undefined,
      network: networkOf(client) === networkOf(server) ? networkOf(client) : '',
    };
    const policiesOf = Object.fromEntries(
      Object.entries(this.#has).map(([group, policies]) => [group, policies ?? []]),
    );
    const stanceOf = {
      '': this.#stanceOf('', 'web'),
      ...Object.fromEntries(
        Object.entries(groups).map(([group, network]) => [
          group,
          this.#stanceOf(group as Group, network),
        ]),
      ),
    };
    const plain: PlainTenant = { rules: this.#rules, policiesOf, subnetsOf, stanceOf };
    return (['out', 'in'] as const).map((direction) => deciding(plain, conversation, direction));
  }

  /** The talks of which `explain` says something else than a plain reading of the rules. */
  async misexplained(talks: readonly Talk[]): Promise<readonly string[]> {
    const wrong: string[] = [];
    for (let at = 0; at < talks.length; at += atOnce) {
      const some = await Promise.all(
        talks.slice(at, at + atOnce).map((talk) => this.#misexplained(talk)),
      );
      wrong.push(...some.filter((each) => each !== undefined));
    }
    return wrong;
  }

  /** What `explain` says of a talk in its family. */
  async explained({
    client,
    server,
    family,
    protocol,
    port,
  }: Talk): Promise<ExplainedTalk | undefined> {
    const query = new URLSearchParams({
      ...{ tenant, from: addressOf(client, family), to: addressOf(server, family) },
      ...{ protocol, port: String(port) },
    });
    const path = `/v1/policy/explain?${query.toString()}`;
    const { families } = (await this.#api.ask({ method: 'GET', path })) as Explained;
    return families.find((each) => each.family === family);
  }

  /** How often rules and defaults decided on the host of a container, by `policy/rule` and `group direction`. */
  async hits(name: Name): Promise<ReadonlyMap<string, number>> {
    const path = '/v1/host/policy-hits';
    const said = (await this.apiOf(containers[name]).ask({ method: 'GET', path })) as PolicyHits;
    return new Map([
      ...said.rules.map(({ policy, rule, hits }) => [`${policy}/${rule}`, hits] as const),
      ...said.defaults.map(
        ({ group, direction, hits }) => [`${group} ${direction}`, hits] as const,
      ),
    ]);
  }

  /** The host of a container. */
  hostOf(name: Name): LabHost {
    return this.#lab.host(containers[name]);
  }

  async #misexplained(talk: Talk): Promise<string | undefined> {
    const said = await this.explained(talk);
    const [out, into] = this.#ends(talk);
    const wanted = [out, into].map((end) => `${end?.verdict} ${end?.rule ?? ''}`).join(', ');
    const told = [said?.out, said?.in].map((end) => `${end?.verdict} ${end?.rule}`).join(', ');
    return told === wanted ? undefined : `${textOf(talk)}: ${told} instead of ${wanted}`;
  }

  /** Says it, and whether there was an answer. */
  async speak({ client, server, family, protocol, port }: Talk): Promise<boolean> {
    const from = this.at(client);
    const to = addressOf(server, family);
    if (protocol === 'icmp') return (await ping(from, { to, count: 1, waitMs })).received > 0;
    if (protocol === 'udp') {
      return (await sendUdp(from, { to, port, sizes: [32], echo: true, waitMs })).answered > 0;
    }
    const call = { to, port, bytes: 100, connectMs: waitMs, waitMs: 1_000 };
    return (await callTcp(from, call)).isConfirmed;
  }

  /** The talks of which something else came than the rules say, once each host has had time to follow. */
  async wrong(talks: readonly Talk[]): Promise<readonly string[]> {
    let left = talks;
    const startedMs = performance.now();
    for (let round = 0; left.length > 0; round += 1) {
      // what passes answers at once, so that tries alone are no time
      if (round >= rounds && performance.now() - startedMs > patienceMs) break;
      const found: Talk[] = [];
      for (let at = 0; at < left.length; at += atOnce) {
        const some = left.slice(at, at + atOnce);
        const came = await Promise.all(some.map((talk) => this.speak(talk)));
        found.push(...some.filter((talk, n) => came[n] !== this.isAllowed(talk)));
      }
      left = found;
    }
    return left.map((talk) => `${textOf(talk)}: should ${this.isAllowed(talk) ? '' : 'not '}pass`);
  }

  get #api() {
    return this.apiOf(1);
  }

  /** The API of a host. */
  apiOf(host: number): ReturnType<typeof apiClient> {
    return apiClient(this.#lab.host(host).agentEnvironment()['FAIRLEAD_API_SOCKET'] ?? '');
  }

  #post(plural: string, key: string, body: object): Promise<unknown> {
    return this.#api.ask({ method: 'POST', path: `/api/v1/${plural}/${key}/`, body });
  }

  #remove(plural: string, key: string): Promise<unknown> {
    return this.#api.ask({ method: 'DELETE', path: `/api/v1/${plural}/${key}/` });
  }

  async #make(): Promise<void> {
    const typed = (words: string) => netctlOk(this.#lab.host(1), words);
    await typed(`tenant create ${tenant}`);
    for (const [network, n] of Object.entries(networkNumbers)) {
      const [v4, v6] = subnetsOf[network as Network];
      const gateways = `-s ${v4} -g 10.80.${n}.254 --s6 ${v6} --g6 fd80:${n}::fe`;
      await typed(`network create -t ${tenant} ${gateways} ${network}`);
    }
    for (const [group, network] of Object.entries(groups)) {
      await typed(`group create -t ${tenant} ${network} ${group}`);
    }
    await Promise.all(this.#lab.hosts.map((_host, index) => this.#run(index + 1)));
    for (const from of names) for (const to of names) if (from !== to) await this.#meet(from, to);
  }

  async #run(number: number): Promise<void> {
    const host = this.#lab.host(number);
    for (const name of names.filter((each) => containers[each] === number)) {
      const network = `${groupOf(name) || networkOf(name)}/${tenant}`;
      const options = ['--ip', addressOf(name, 4), '--ip6', addressOf(name, 6)];
      await runContainer(host, { name, network, options });
      const at = await containerOf(host, name);
      this.#at.set(name, at);
      for (const port of ports) {
        await serveTcp(at, { port });
        await listenUdp(at, { port, echo: true });
      }
    }
  }

  async #meet(from: Name, to: Name): Promise<void> {
    await untilReaches(this.at(from), addressOf(to, 4));
    await untilReaches(this.at(from), addressOf(to, 6));
  }
}

interface ExplainedTalk {
  readonly family: 4 | 6;
  readonly out: { readonly verdict: string; readonly rule: string };
  readonly in: { readonly verdict: string; readonly rule: string };
}

interface Explained {
  readonly families: readonly ExplainedTalk[];
}

/** How long an answer is waited for; how often what came out wrong is tried again, and for how long at least. */
const waitMs = 400;
const rounds = 6;
const patienceMs = 10_000;
/** Talks at a time. */
const atOnce = 45;

/** As the row has it: a rule with a network has the network's subnet. */
function withSubnets(rule: RuleConfig): RuleConfig {
  const subnet = (network: string) => subnetsOf[network as Network]?.[0];
  return {
    ...rule,
    fromIpAddress: subnet(rule.fromNetwork) ?? rule.fromIpAddress,
    toIpAddress: subnet(rule.toNetwork) ?? rule.toIpAddress,
  };
}

/** Both words of what somebody says; undefined for one that is not said. */
function wordsOf(said = ''): readonly [string | undefined, string | undefined] {
  const words = said.split(' ');
  const enforcement = words.find((word) => word === 'audit' || word === 'enforce');
  const action = words.find((word) => word !== '' && word !== enforcement);
  return [action, enforcement];
}

const keyOf = ({ policyName, ruleId }: RuleConfig): string => `${tenant}:${policyName}:${ruleId}`;

/** A talk in words. */
export const textOf = ({ client, server, family, protocol, port }: Talk): string =>
  `${client} -> ${server} IPv${family} ${protocol}${port === 0 ? '' : ` ${port}`}`;
