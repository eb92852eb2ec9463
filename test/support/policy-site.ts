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
import {
  addressOf,
  containers,
  gatewaysOf,
  groupOf,
  groups,
  hostNumberOf,
  machine,
  networkNumbers,
  networkOf,
  subnetsOf,
  tagOf,
  tenant,
  type Container,
  type Group,
  type Name,
  type Network,
  type NetworkForm,
} from './policy-cast.ts';
import type { LabSite } from './lab-site.ts';
import { netctlOk } from './netctl.ts';
import { runContainer } from './shared-networks.ts';
import {
  bothEnds,
  keyOf,
  ports,
  silence,
  textOf,
  withSubnets,
  wordsOf,
  type AnyTalk,
  type Held,
  type Policies,
  type Rule,
  type Says,
  type Talk,
} from './policy-words.ts';
import { SiteAgents } from './site-agents.ts';
import { until } from './until.ts';

/** The site at work. */
export class PolicySite {
  readonly agents: SiteAgents;
  readonly #lab: LabSite;
  readonly #form: NetworkForm;
  readonly #at = new Map<Name, Vantage>();
  #rules: readonly RuleConfig[] = [];
  #has: Policies['has'] = {};
  #says: Says = {};
  readonly #ids = new Map<string, string>();

  private constructor(lab: LabSite, agents: SiteAgents, form: NetworkForm) {
    this.#lab = lab;
    this.#form = form;
    this.agents = agents;
  }

  /** Makes it, with servers wherever somebody is. VLANs need the machines of `policy-wire.ts` in the lab. */
  static async open(
    lab: LabSite,
    form: NetworkForm = { encap: 'vxlan', mode: 'routing' },
  ): Promise<PolicySite> {
    const uplinks: Record<string, string> =
      form.encap === 'vlan' ? { FAIRLEAD_UPLINKS: 'eth1' } : {};
    const plan = { form: 'binary', environment: () => uplinks } as const;
    const site = new PolicySite(lab, await SiteAgents.start(lab.hosts, plan), form);
    await site.#make();
    return site;
  }

  /** Where somebody is. */
  at(name: Name): Vantage {
    const found = this.#at.get(name);
    if (found === undefined) throw new Error(`nobody is ${name}`);
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

  /** A netprofile of the tenant is this now. */
  async profile(profileName: string, given: object): Promise<void> {
    const body = { tenantName: tenant, profileName, ...given };
    await this.#post('netprofiles', `${tenant}:${profileName}`, body);
  }

  /** A group has this netprofile now, or none. */
  async attach(groupName: Group, netProfile: string): Promise<void> {
    const policies = this.#has[groupName] ?? [];
    const group = { tenantName: tenant, groupName, networkName: groups[groupName], policies };
    await this.#post('endpointGroups', `${tenant}:${groupName}`, { ...group, netProfile });
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
        const { encap } = this.#form;
        const network = { networkName: name, encap, subnet: subnetsOf[name][0] };
        await this.#post('networks', `${tenant}:${name}`, { ...settings, ...network });
      } else {
        const policies = this.#has[name] ?? [];
        const group = { groupName: name, networkName: groups[name], policies };
        await this.#post('endpointGroups', `${tenant}:${name}`, { ...settings, ...group });
      }
    }
  }

  get #held(): Held {
    return { rules: this.#rules, has: this.#has, says: this.#says };
  }

  /** Rules of the same words have the same name. */
  #idOf(rule: Rule): string {
    const words = JSON.stringify(Object.entries(rule).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    const id = this.#ids.get(words) ?? `r${this.#ids.size + 1}`;
    this.#ids.set(words, id);
    return id;
  }

  /** Whether the rules allow it, by a plain reading. */
  isAllowed(talk: AnyTalk): boolean {
    return bothEnds(this.#held, talk).every(({ verdict }) => verdict === 'allow');
  }

  /** The talks of which `explain` says something else than a plain reading of the rules. */
  async misexplained(talks: readonly AnyTalk[]): Promise<readonly string[]> {
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
  }: AnyTalk): Promise<ExplainedTalk | undefined> {
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
    const said = (await this.apiOf(hostNumberOf(name)).ask({ method: 'GET', path })) as PolicyHits;
    return new Map([
      ...said.rules.map(({ policy, rule, hits }) => [`${policy}/${rule}`, hits] as const),
      ...said.defaults.map(
        ({ group, direction, hits }) => [`${group} ${direction}`, hits] as const,
      ),
    ]);
  }

  /** The host of a container. */
  hostOf(name: Name): LabHost {
    return this.#lab.host(hostNumberOf(name));
  }

  /** What tunnels call a network. */
  async vniOf(network: Network): Promise<number> {
    const path = `/api/v1/inspect/networks/${tenant}:${network}/`;
    const { Oper } = (await this.#api.ask({ method: 'GET', path })) as {
      readonly Oper: { readonly externalPktTag: number };
    };
    return Oper.externalPktTag;
  }

  async #misexplained(talk: AnyTalk): Promise<string | undefined> {
    const said = await this.explained(talk);
    const [out, into] = bothEnds(this.#held, talk);
    const wanted = [out, into].map((end) => `${end?.verdict} ${end?.rule ?? ''}`).join(', ');
    const told = [said?.out, said?.in].map((end) => `${end?.verdict} ${end?.rule}`).join(', ');
    return told === wanted ? undefined : `${textOf(talk)}: ${told} instead of ${wanted}`;
  }

  /** Says it, and whether there was an answer in time. */
  async speak(
    { client, server, family, protocol, port }: Talk,
    waitMs = answerMs,
  ): Promise<boolean> {
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
  wrong(talks: readonly Talk[]): Promise<readonly string[]> {
    return this.wrongOf(talks, (talk, waitMs) => this.speak(talk, waitMs));
  }

  /** The same of talks in a way of the caller's, whose answer is undefined where neither is right. */
  async wrongOf<T extends AnyTalk>(
    talks: readonly T[],
    speak: (talk: T, waitMs: number) => Promise<boolean | undefined>,
  ): Promise<readonly string[]> {
    let left = talks;
    const startedMs = performance.now();
    for (let round = 0; left.length > 0; round += 1) {
      // what passes answers at once, so that tries alone are no time
      if (round >= rounds && performance.now() - startedMs > patienceMs) break;
      const found: T[] = [];
      for (let at = 0; at < left.length; at += atOnce) {
        const some = left.slice(at, at + atOnce);
        // who hears nothing listens longer each time: others use this machine, too
        const waitMs = answerMs * (1 + Math.min(round, 4));
        const came = await Promise.all(some.map((talk) => speak(talk, waitMs)));
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
    const { encap, mode } = this.#form;
    await typed(`global set --fwd-mode ${mode}`);
    await typed(`tenant create ${tenant}`);
    for (const network of Object.keys(networkNumbers) as Network[]) {
      const [v4, v6] = subnetsOf[network];
      const [gateway4, gateway6] = gatewaysOf(network);
      const subnets = `-s ${v4} -g ${gateway4} --s6 ${v6} --g6 ${gateway6}`;
      const tag = encap === 'vlan' ? `-e vlan -p ${tagOf(network)}` : `-e ${encap}`;
      await typed(`network create -t ${tenant} ${tag} ${subnets} ${network}`);
    }
    for (const [group, network] of Object.entries(groups)) {
      await typed(`group create -t ${tenant} ${network} ${group}`);
    }
    await Promise.all(this.#lab.hosts.map((_host, index) => this.#run(index + 1)));
    if (encap === 'vlan') await this.#put(machine, this.#lab.site.machine(machine));
    const all = [...this.#at.keys()];
    for (const from of all)
      for (const to of all) if (this.canMeet(from, to)) await this.#meet(from, to);
  }

  /** Whether packets find a way from one to the other: machines do not reach gateways of ours. */
  canMeet(one: Name, other: Name): boolean {
    if (one === other) return false;
    const isNear = networkOf(one) === networkOf(other);
    return isNear || this.#form.mode === 'bridge' || (one !== machine && other !== machine);
  }

  async #run(number: number): Promise<void> {
    const host = this.#lab.host(number);
    const own = (Object.keys(containers) as Container[]).filter(
      (each) => containers[each] === number,
    );
    for (const name of own) {
      const network = `${groupOf(name) || networkOf(name)}/${tenant}`;
      const options = ['--ip', addressOf(name, 4), '--ip6', addressOf(name, 6)];
      // the host that was asked has it at once, others a moment later
      await until(
        `${host.name} has ${network}`,
        async () => (await host.docker(['network', 'inspect', network])).code === 0,
      );
      await runContainer(host, { name, network, options });
      await this.#put(name, await containerOf(host, name));
    }
  }

  /** Somebody is there, and answers. */
  async #put(name: Name, at: Vantage): Promise<void> {
    this.#at.set(name, at);
    for (const port of ports) {
      await serveTcp(at, { port });
      await listenUdp(at, { port, echo: true });
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
const answerMs = 400;
const rounds = 6;
const patienceMs = 10_000;
/** Talks at a time. */
const atOnce = 45;
