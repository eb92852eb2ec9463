/** What is special about rules and policies. Pure. */
import { FairleadError } from '../../errors.ts';
import { policyGroupsRemoved, policyRulesRemoved } from '../../limits.ts';
import type { Config } from '../../model/objects/kind.ts';
import { ruleKind, type RuleConfig } from '../../model/objects/rule.ts';
import { linkRange, objectRange, type ObjectName } from '../../model/objects/object-keys.ts';
import { invalid } from '../../model/objects/read-config.ts';
import { objectRowSchema } from '../../model/objects/rows.ts';
import { decodeRecord } from '../../model/record.ts';
import { asRead, type Step, type TxnDraft } from '../../store/plan.ts';
import { siteNetworkKey } from '../../model/site-keys.ts';
import { readSiteNetwork } from '../site-networks.ts';
import { subnetFor } from './groups.ts';
import { siteName } from './links.ts';
import { configIn, readAll, typed } from './object-rows.ts';
import type { Special } from './special.ts';

/** Protocols that have ports, as rules write them. */
const withPorts: ReadonlySet<string> = new Set(['tcp', 'udp', '6', '17', '132']);

/** What is special about rules. */
export const ruleSpecial: Special = {
  check(config) {
    const rule = typed('rule', config);
    if (rule.direction === 'in') checkIncoming(rule);
    else checkOutgoing(rule);
    if (rule.port !== 0 && !withPorts.has(rule.protocol)) {
      const what = rule.protocol === '' ? 'a rule for all protocols' : `protocol ${rule.protocol}`;
      throw invalid(`can not specify port for ${what}, expected protocol tcp or udp`);
    }
    checkAdditions(rule);
    return config;
  },
  first: [
    'tenantName',
    'fromEndpointGroup',
    'toEndpointGroup',
    'fromNetwork',
    'toNetwork',
    'policyName',
  ],
  // the row has the network's subnet as it is now
  *prepare(draft, _name, config, { isUnresolved }) {
    const from = yield* withSubnet(draft, config, 'fromNetwork', isUnresolved);
    return { config: yield* withSubnet(draft, from, 'toNetwork', isUnresolved) };
  },
};

/** What Contiv's rules do not have. */
function checkAdditions({ port, portLast, icmpType, protocol }: RuleConfig): void {
  if (portLast !== 0 && port === 0) {
    throw invalid(`can not specify portLast ${portLast} without port, the first of the ports`);
  }
  if (portLast !== 0 && portLast < port) {
    throw invalid(`portLast ${portLast} is before port ${port}, expected the last of the ports`);
  }
  if (icmpType !== '' && protocol !== 'icmp') {
    const what = protocol === '' ? 'a rule for all protocols' : `protocol ${protocol}`;
    throw invalid(`can not specify icmpType for ${what}, expected protocol icmp`);
  }
}

function checkIncoming(rule: RuleConfig): void {
  if (rule.toNetwork !== '' || rule.toEndpointGroup !== '' || rule.toIpAddress !== '') {
    throw invalid("can not specify 'to' parameters in incoming rule");
  }
  if (rule.fromNetwork !== '' && rule.fromEndpointGroup !== '') {
    throw invalid('can not specify both from network and from EndpointGroup');
  }
}

function checkOutgoing(rule: RuleConfig): void {
  if (rule.fromNetwork !== '' || rule.fromEndpointGroup !== '' || rule.fromIpAddress !== '') {
    throw invalid("can not specify 'from' parameters in outgoing rule");
  }
  if (rule.toNetwork !== '' && rule.toEndpointGroup !== '') {
    throw invalid('can not specify both to-network and to-EndpointGroup');
  }
}

const bothSaid = {
  fromNetwork: 'can not specify both from network and from ip address',
  toNetwork: 'can not specify both to-network and to-ip address',
} as const;

const addressFor = { fromNetwork: 'fromIpAddress', toNetwork: 'toIpAddress' } as const;

/**
 * A rule that names a network gets its subnet; one that is sent back as it was shown has it already, and one that is
 * unresolved keeps it.
 */
function* withSubnet(
  draft: TxnDraft,
  config: Config,
  field: 'fromNetwork' | 'toNetwork',
  isUnresolved: boolean,
): Step<Config> {
  const network = String(config[field] ?? '');
  const address = addressFor[field];
  if (network === '' || (isUnresolved && config[address] !== '')) return config;
  const name = siteName({ kind: 'network', parts: [String(config['tenantName']), network] });
  const site = yield* readSiteNetwork(name);
  const subnet = site && subnetFor(site.value);
  if (site === undefined || subnet === undefined) {
    throw new FairleadError('REFERENCE_UNKNOWN', ruleKind.fields[field].refers.missing);
  }
  const given = config[address];
  if (given !== '' && given !== subnet) throw invalid(bothSaid[field]);
  draft.compare.push(asRead(siteNetworkKey(name), site));
  return { ...config, [address]: subnet };
}

/** What is special about policies: their rules go with them. */
export const policySpecial: Special = {
  *remove(draft, name) {
    const used = linkRange(name, 'endpointGroup');
    if ((yield { ...used, limit: 1 }).rows.length > 0) {
      throw new FairleadError('OBJECT_IN_USE', 'Policy is being used');
    }
    const range = objectRange('rule', name.parts);
    const rows = yield* readAll(range);
    const groups = new Map<string, ObjectName>();
    for (const row of rows) {
      const rule = configIn('rule', decodeRecord(objectRowSchema(ruleKind), row).value);
      for (const group of [rule.fromEndpointGroup, rule.toEndpointGroup]) {
        const named: ObjectName = { kind: 'endpointGroup', parts: [rule.tenantName, group] };
        if (group !== '') groups.set(group, named);
      }
    }
    if (rows.length > policyRulesRemoved || groups.size > policyGroupsRemoved) {
      throw new FairleadError(
        'OBJECT_IN_USE',
        `cannot delete policy ${name.parts[1]} with ${rows.length} rules that name ${groups.size} groups, at most ${policyRulesRemoved} and ${policyGroupsRemoved} go with it`,
        { fix: 'remove rules first' },
      );
    }
    if (rows.length > 0) draft.then.push({ op: 'delete', ...range });
    for (const group of groups.values()) {
      draft.then.push({ op: 'delete', ...linkRange(group, 'rule', name.parts) });
    }
  },
};
