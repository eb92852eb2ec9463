/** Policies and their rules. */
import { usageError, type CommandRow, type Input, type Tools } from '../command.ts';
import { textOf } from '../netmaster.ts';
import { tenantOf, writeJson } from '../run.ts';
import type { JsonObject } from '../shapes.ts';
import { tableLayout, tabulate } from '../tabwriter.ts';
import {
  cells,
  count,
  jsonFlag,
  listFlags,
  numberFlag,
  quietFlag,
  tenantFlag,
  textFlag,
  tooMany,
} from './shared.ts';

const onePolicy = { words: 1, otherwise: 'Policy name required' } as const;
const oneRule = { words: 2, otherwise: 'Policy name and Rule ID required' } as const;
const policyKey = (input: Input) => [tenantOf(input), input.word(0)];

/** Commands of the family `policy`. */
export const policyCommands: readonly CommandRow[] = [
  {
    family: 'policy',
    name: 'create',
    usage: 'make a policy',
    words: '[policy]',
    flags: [tenantFlag],
    takes: onePolicy,
    action: {
      does: 'create',
      kind: 'policy',
      object: (input) => ({ tenantName: tenantOf(input), policyName: input.word(0) }),
      after: (input) => `Creating policy ${policyKey(input).join(':')}\n`,
    },
  },
  {
    family: 'policy',
    name: 'rm',
    aliases: ['delete'],
    usage: 'remove a policy that no group has, with its rules',
    words: '[policy]',
    flags: [tenantFlag],
    takes: onePolicy,
    action: {
      does: 'remove',
      kind: 'policy',
      key: policyKey,
      before: (input) => `Deleting policy ${policyKey(input).join(':')}\n`,
    },
  },
  {
    family: 'policy',
    name: 'ls',
    aliases: ['list'],
    usage: 'show policies',
    words: ' ',
    flags: listFlags,
    takes: tooMany,
    action: {
      does: 'list',
      kind: 'policy',
      ofTenant: true,
      quiet: 'policyName',
      table: {
        heads: 'Tenant\tPolicy\n------\t------\n',
        row: (policy) => cells(policy, 'tenantName', 'policyName'),
      },
    },
  },
  {
    family: 'policy',
    name: 'inspect',
    usage: 'show all about a policy, as JSON',
    words: '[policy]',
    flags: [tenantFlag],
    takes: onePolicy,
    action: { does: 'inspect', kind: 'policy', key: policyKey },
  },
  {
    family: 'policy',
    name: 'rule-ls',
    usage: 'show the rules of a policy, by priority',
    words: '[policy]',
    flags: [tenantFlag, jsonFlag, quietFlag],
    takes: onePolicy,
    action: { does: 'run', run: listRules },
  },
  {
    family: 'policy',
    name: 'rule-rm',
    usage: 'remove a rule from a policy',
    words: '[policy] [rule id]',
    flags: [tenantFlag],
    takes: oneRule,
    action: {
      does: 'remove',
      kind: 'rule',
      key: (input) => [...policyKey(input), input.word(1)],
    },
  },
  {
    family: 'policy',
    name: 'rule-add',
    usage: 'add a rule to a policy',
    words: '[policy] [rule id]',
    flags: [
      tenantFlag,
      numberFlag(['priority', 'p'], 'from 1, the last to decide, to 100, the first', 1),
      textFlag(['direction', 'd'], 'in or out, as the containers of the group see it', 'in'),
      textFlag(['from-group', 'g'], 'group that packets come from; only in'),
      textFlag(['to-group', 'e'], 'group that packets go to; only out'),
      textFlag(['from-network', 'n'], 'network that packets come from; only in'),
      textFlag(['to-network', 'o'], 'network that packets go to; only out'),
      textFlag(['from-ip-address', 'i'], 'address or CIDR that packets come from; only in'),
      textFlag(['to-ip-address', 's'], 'address or CIDR that packets go to; only out'),
      textFlag(['protocol', 'l'], 'tcp, udp, icmp or a number; any without it'),
      numberFlag(['port', 'P'], 'port of the receiver; any without it'),
      textFlag(['action', 'j'], 'allow or deny', 'allow'),
    ],
    takes: oneRule,
    check: checkRule,
    action: {
      does: 'create',
      kind: 'rule',
      object: (input) => ({
        tenantName: tenantOf(input),
        policyName: input.word(0),
        ruleId: input.word(1),
        priority: input.number('priority'),
        direction: input.text('direction'),
        fromEndpointGroup: input.text('from-group'),
        toEndpointGroup: input.text('to-group'),
        fromNetwork: input.text('from-network'),
        toNetwork: input.text('to-network'),
        fromIpAddress: input.text('from-ip-address'),
        toIpAddress: input.text('to-ip-address'),
        protocol: input.text('protocol'),
        port: input.number('port'),
        action: input.text('action'),
      }),
    },
  },
];

/** Flags of the wrong direction, in the order in which they are looked at. */
const misplaced = {
  in: [
    ['to-group', 'Cant specify to-group for incoming rule'],
    ['to-network', 'Cant specify to-network for incoming rule'],
  ],
  out: [
    ['from-group', 'Cant specify from-group for outgoing rule'],
    ['from-network', 'Cant specify from-network for outgoing rule'],
    ['from-ip-address', 'Cant specify from-ip-address for outgoing rule'],
  ],
} as const;

function checkRule(input: Input): void {
  const direction = input.text('direction');
  if (direction !== 'in' && direction !== 'out') throw usageError('Unknown direction', 'no help');
  for (const [flag, complaint] of misplaced[direction]) {
    if (input.text(flag) !== '') throw usageError(complaint, 'no help');
  }
  const has = (flag: string) => input.text(flag) !== '';
  if (direction === 'in' && has('from-group') && has('from-network')) {
    throw usageError("Can't specify both from-group argument and -from-network ", 'no help');
  }
  if (direction === 'out' && has('to-group') && has('to-network')) {
    throw usageError("Can't specify both -to-group and -to-network", 'no help');
  }
}

const incomingHeads = `Incoming Rules:
Rule\tPriority\tFrom EndpointGroup\tFrom Network\tFrom IpAddress\tTo IpAddress\tProtocol\tPort\tAction
----\t--------\t------------------\t------------\t---------\t------------\t--------\t----\t------
`;
const outgoingHeads = `Outgoing Rules:
Rule\tPriority\tTo EndpointGroup\tTo Network\tTo IpAddress\tProtocol\tPort\tAction
----\t--------\t----------------\t----------\t---------\t--------\t----\t------
`;

async function listRules(tools: Tools): Promise<void> {
  const { input, writeOut } = tools;
  const [tenant = '', policy = ''] = policyKey(input);
  const netmaster = await tools.netmaster();
  await netmaster.get('tenant', [tenant]);
  await netmaster.get('policy', [tenant, policy]);
  const rules = (await netmaster.list('rule'))
    .filter(
      (rule) => textOf(rule, 'tenantName') === tenant && textOf(rule, 'policyName') === policy,
    )
    .toSorted((one, other) => Number(count(one, 'priority')) - Number(count(other, 'priority')));
  if (input.isOn('json')) writeJson(tools, rules);
  else if (input.isOn('quiet')) {
    writeOut(rules.map((rule) => `${textOf(rule, 'ruleId')}\n`).join(''));
  } else writeOut(tabulate(ruleTables(rules), tableLayout));
}

function ruleTables(rules: readonly JsonObject[]): string {
  const rows = (direction: string, fields: readonly string[]) =>
    rules
      .filter((rule) => rule['direction'] === direction)
      .map((rule) => `${ruleRow(rule, fields)}\n`)
      .join('');
  const incoming = ['fromEndpointGroup', 'fromNetwork', 'fromIpAddress', 'toIpAddress'];
  const outgoing = ['toEndpointGroup', 'toNetwork', 'toIpAddress'];
  return `${incomingHeads}${rows('in', incoming)}${outgoingHeads}${rows('out', outgoing)}`;
}

function ruleRow(rule: JsonObject, fields: readonly string[]): string {
  return [
    cells(rule, 'ruleId'),
    count(rule, 'priority'),
    cells(rule, ...fields, 'protocol'),
    count(rule, 'port'),
    cells(rule, 'action'),
  ].join('\t');
}
