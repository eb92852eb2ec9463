/** The groups and rules that matter on this host, by the names that people know, and what they say of a conversation. */
import type { PolicyGroup, PolicyRule } from '../network/world.ts';
import type { Conversation } from '../policy/conversation.ts';
import { judgeBy, type Judgement } from '../policy/judge.ts';
import { RuleFinder } from '../policy/rule-finder.ts';

/** A group that matters here, by its names. */
export interface NamedGroup {
  readonly tenant: string;
  /** Of who is in a network and in no group the network's. */
  readonly name: string;
  readonly group: PolicyGroup;
}

/** A rule that matters here. */
export interface NamedRule {
  readonly tenant: string;
  readonly rule: PolicyRule;
}

/** What is known of a tenant. */
interface Tenant {
  readonly name: string;
  readonly groups: Map<number, NamedGroup>;
  readonly rules: RuleFinder;
  /** How many rules have ports of a protocol, by its number. */
  readonly withPorts: Map<number, number>;
}

/** All of a host, of the tenants that matter there. Ids are those of the changes of a `SiteView`. */
export class KnownPolicies {
  readonly #groups = new Map<string, NamedGroup>();
  readonly #rules = new Map<string, NamedRule>();
  /** By number. */
  readonly #tenants = new Map<number, Tenant>();

  /** A group is another, or none any more; answers what it was. */
  setGroup(id: string, group: PolicyGroup | undefined): PolicyGroup | undefined {
    const before = this.#groups.get(id);
    if (before !== undefined) this.#forgetGroup(id, before);
    if (group !== undefined) {
      const [tenant = '', name = ''] = placeIn(id).split('/');
      const named = { tenant, name, group };
      this.#groups.set(id, named);
      this.#tenantOf(group.domain, tenant).groups.set(group.number, named);
    }
    return before?.group;
  }

  /** A rule is another, or none any more; answers what it was. */
  setRule(id: string, rule: PolicyRule | undefined): PolicyRule | undefined {
    const before = this.#rules.get(id);
    if (before !== undefined) this.#forgetRule(id, before);
    if (rule !== undefined) {
      const [name = ''] = id.split('/');
      this.#rules.set(id, { tenant: name, rule });
      const tenant = this.#tenantOf(rule.domain, name);
      tenant.rules.set(rule);
      countPorts(tenant, rule, 1);
    }
    return before?.rule;
  }

  /** The groups of the tenants that matter here; of who is in no group only those that say something. */
  groups(): Iterable<NamedGroup> {
    return this.#groups.values();
  }

  /** The rules of the tenants that matter here, whether or not a group has their policy. */
  rules(): Iterable<NamedRule> {
    return this.#rules.values();
  }

  /** The name of the tenant of a number; nothing for one that is not known. */
  tenant(domain: number): string {
    return this.#tenants.get(domain)?.name ?? '';
  }

  /** The group of a tenant that has a number. */
  group(domain: number, number: number): NamedGroup | undefined {
    return this.#tenants.get(domain)?.groups.get(number);
  }

  /** Whether a tenant's rules tell ports of a protocol from each other. */
  hasPortsOf(domain: number, protocol: number): boolean {
    return this.#tenants.get(domain)?.withPorts.has(protocol) ?? false;
  }

  /** What the rules of a tenant say. Who is not known has none. */
  judge(domain: number, conversation: Conversation): Judgement {
    const tenant = this.#tenants.get(domain);
    const groupOf = (number: number | undefined): PolicyGroup | undefined =>
      tenant?.groups.get(number ?? 0)?.group;
    return judgeBy(
      {
        firstThatFits: (group, said, direction) =>
          tenant?.rules.firstThatFits(groupOf(group)?.policies ?? [], said, direction),
        stanceOf: (group) => groupOf(group)?.stance,
      },
      conversation,
    );
  }

  #tenantOf(domain: number, name: string): Tenant {
    const known = this.#tenants.get(domain);
    if (known !== undefined) return known;
    const tenant = { name, groups: new Map(), rules: new RuleFinder(), withPorts: new Map() };
    this.#tenants.set(domain, tenant);
    return tenant;
  }

  #forgetGroup(id: string, named: NamedGroup): void {
    const { domain, number } = named.group;
    this.#groups.delete(id);
    const groups = this.#tenants.get(domain)?.groups;
    // another may have got the number since
    if (groups?.get(number) === named) groups.delete(number);
    this.#forgetEmpty(domain);
  }

  #forgetRule(id: string, { rule }: NamedRule): void {
    this.#rules.delete(id);
    const tenant = this.#tenants.get(rule.domain);
    tenant?.rules.remove(rule);
    if (tenant !== undefined) countPorts(tenant, rule, -1);
    this.#forgetEmpty(rule.domain);
  }

  #forgetEmpty(domain: number): void {
    const tenant = this.#tenants.get(domain);
    if (tenant?.groups.size === 0 && tenant.rules.isEmpty) this.#tenants.delete(domain);
  }
}

/** The place in the id of a group (`SiteView`): a number is behind it. */
const placeIn = (id: string): string => id.slice(0, id.lastIndexOf(':'));

function countPorts({ withPorts }: Tenant, { traffic }: PolicyRule, more: number): void {
  const protocol = traffic.ports === undefined ? undefined : traffic.protocol?.v4;
  if (protocol === undefined) return;
  const count = (withPorts.get(protocol) ?? 0) + more;
  if (count === 0) withPorts.delete(protocol);
  else withPorts.set(protocol, count);
}
