/**
 * The rows of groups and rules as the view (`site-view.ts`) keeps them: decoded, of all tenants, and which rules
 * name which groups and networks. Decides nothing.
 */
import { readRequirements, type LabelRequirement, type Labels } from '../model/labels.ts';
import { endpointGroupKind } from '../model/objects/endpoint-group.ts';
import type { PolicySettings } from '../model/objects/policy-settings.ts';
import { ruleKind, type RuleConfig } from '../model/objects/rule.ts';
import { objectRowSchema } from '../model/objects/rows.ts';
import { decodeRecord } from '../model/record.ts';
import type { SeenKey } from '../model/site-keys.ts';
import type { SiteNetworkName } from '../model/site.ts';
import { LabelledGroups, unchosen, type Choice } from '../policy/labelled-groups.ts';
import { delist, enlist } from '../sets-by-key.ts';
import type { KeyValue } from '../store/port.ts';
import { configIn } from './objects/object-rows.ts';

/** A group, as rules and limits need it. */
export interface GroupRow {
  readonly number: number;
  /** The name of its network. */
  readonly network: string;
  readonly settings: PolicySettings;
  /** The names of its policies. */
  readonly policies: readonly string[];
  /** The name of its network profile; nothing for none. */
  readonly netProfile: string;
  /** The labels that it asks for; none when it asks for none. */
  readonly requirements: readonly LabelRequirement[];
}

/** What a rule is named by in its tenant. */
export interface RulePlace {
  readonly policy: string;
  readonly rule: string;
}

class TenantPolicyRows {
  readonly groups = new Map<string, GroupRow>();
  /** Groups by their network, and by their profile. */
  readonly onNetwork = new Map<string, Set<string>>();
  readonly profiled = new Map<string, Set<string>>();
  readonly labelled = new LabelledGroups();
  readonly rules = new Map<string, RuleConfig>();
  /** The revision at which each was written last. */
  readonly written = new Map<string, number>();
  /** Rules by the groups and networks that they name; see `namesIn`. */
  readonly naming = new Map<string, Set<string>>();
}

/** The keys of groups and rules. */
export type PolicyKey = Extract<SeenKey, { kind: 'group' | 'rule' }>;

/** Rows by tenant. */
export class PolicyRows {
  readonly #tenants = new Map<string, TenantPolicyRows>();

  /**
   * Keeps or forgets the row of a group or rule.
   * @throws STORE_DAMAGED; nothing has changed then
   */
  apply(seen: PolicyKey, row: KeyValue | undefined): void {
    const rows = this.#tenants.get(seen.tenant) ?? new TenantPolicyRows();
    if (seen.kind === 'group') {
      setGroup(rows, seen.group, row && groupIn(row));
    } else {
      const place = `${seen.policy}/${seen.rule}`;
      setRule(rows, place, row && ruleIn(row));
      if (row === undefined) rows.written.delete(place);
      else rows.written.set(place, row.modRevision);
    }
    if (rows.groups.size + rows.rules.size === 0) this.#tenants.delete(seen.tenant);
    else this.#tenants.set(seen.tenant, rows);
  }

  /** A group. */
  group(tenant: string, group: string): GroupRow | undefined {
    return this.#tenants.get(tenant)?.groups.get(group);
  }

  /** The names of a tenant's groups. */
  groups(tenant: string): Iterable<string> {
    return this.#tenants.get(tenant)?.groups.keys() ?? [];
  }

  /** The groups of a network. */
  groupsOn(tenant: string, network: string): Iterable<string> {
    return this.#tenants.get(tenant)?.onNetwork.get(network) ?? [];
  }

  /** Which group of a network a container is in by its labels. */
  choose({ tenant, network }: SiteNetworkName, labels: Labels): Choice {
    return this.#tenants.get(tenant)?.labelled.choose(network, labels) ?? unchosen;
  }

  /** The groups that have a profile. */
  groupsProfiled(tenant: string, profile: string): Iterable<string> {
    return this.#tenants.get(tenant)?.profiled.get(profile) ?? [];
  }

  /** A rule, by `policy/rule`. */
  rule(tenant: string, place: string): RuleConfig | undefined {
    return this.#tenants.get(tenant)?.rules.get(place);
  }

  /** The revision at which a rule, by `policy/rule`, was written last. */
  ruleWritten(tenant: string, place: string): number | undefined {
    return this.#tenants.get(tenant)?.written.get(place);
  }

  /** A tenant's rules, as `policy/rule`. */
  rules(tenant: string): Iterable<string> {
    return this.#tenants.get(tenant)?.rules.keys() ?? [];
  }

  /** The rules of a tenant that name one of its groups or networks, which have their names in common. */
  rulesNaming(tenant: string, name: string): Iterable<string> {
    return this.#tenants.get(tenant)?.naming.get(name) ?? [];
  }
}

function setGroup(rows: TenantPolicyRows, name: string, group: GroupRow | undefined): void {
  const before = rows.groups.get(name);
  if (before !== undefined) {
    delist(rows.onNetwork, before.network, name);
    delist(rows.profiled, before.netProfile, name);
    rows.labelled.remove({ ...before, name });
  }
  if (group === undefined) {
    rows.groups.delete(name);
    return;
  }
  rows.groups.set(name, group);
  enlist(rows.onNetwork, group.network, name);
  if (group.netProfile !== '') enlist(rows.profiled, group.netProfile, name);
  rows.labelled.add({ ...group, name });
}

function setRule(rows: TenantPolicyRows, place: string, rule: RuleConfig | undefined): void {
  const before = rows.rules.get(place);
  for (const name of before === undefined ? [] : namesIn(before)) {
    delist(rows.naming, name, place);
  }
  if (rule === undefined) {
    rows.rules.delete(place);
    return;
  }
  rows.rules.set(place, rule);
  for (const name of namesIn(rule)) enlist(rows.naming, name, place);
}

const namesIn = (rule: RuleConfig): readonly string[] =>
  [rule.fromEndpointGroup, rule.toEndpointGroup, rule.fromNetwork, rule.toNetwork].filter(
    (name) => name !== '',
  );

function groupIn(row: KeyValue): GroupRow | undefined {
  const { value } = decodeRecord(objectRowSchema(endpointGroupKind), row);
  const {
    policies,
    netProfile,
    selectors,
    networkName: network,
    ...config
  } = configIn('endpointGroup', value);
  const { defaultAction, enforcement } = config;
  const settings = { defaultAction, enforcement };
  return value.number === undefined
    ? undefined
    : {
        ...{ number: value.number, network, settings, policies, netProfile },
        requirements: readRequirements(selectors),
      };
}

function ruleIn(row: KeyValue): RuleConfig {
  return configIn('rule', decodeRecord(objectRowSchema(ruleKind), row).value);
}
