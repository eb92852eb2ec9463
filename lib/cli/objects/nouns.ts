/**
 * The objects of an operator as nouns of the command line. What they have comes from their descriptions in the
 * model; here is only how they are called.
 */
import type { Field, ObjectKind } from '../../model/objects/kind.ts';
import { objectKinds } from '../../model/objects/kinds.ts';
import type { OperandRow, OptionRow } from '../option.ts';
import type { Reading } from '../reading.ts';

/** A noun. */
export interface Noun {
  readonly name: string;
  readonly kind: ObjectKind;
  readonly summary: string;
  /** Several of them; of a kind that there is one object of, that. */
  readonly several: string;
  /** The fields of the key besides the tenant, as operands. */
  readonly operands: readonly (OperandRow & { readonly field: string })[];
  /** Whether its objects belong to tenants. */
  readonly ofTenant: boolean;
  /** What a new one has unless something else is said, as with netctl. */
  readonly initial: Readonly<Record<string, string>>;
  /** Fields of the key that are always so, of a kind that there is one object of. */
  readonly fixed: Readonly<Record<string, string>>;
  readonly verbs: readonly Verb[];
}

/** What can be asked of objects. */
export type Verb = 'ls' | 'get' | 'create' | 'set' | 'rm';

function noun(
  name: string,
  kind: ObjectKind,
  summary: string,
  initial: Noun['initial'] = {},
): Noun {
  const ofTenant = kind.name !== 'tenant' && kind.key.includes('tenantName');
  const fields = kind.key.filter((field) => !(ofTenant && field === 'tenantName'));
  const operands = fields.map((field, at) => ({
    field,
    name: at === fields.length - 1 ? 'NAME' : capitals(field),
    summary: lowerFirst(kind.fields[field]?.doc ?? ''),
  }));
  const verbs = ['ls', 'get', 'create', 'set', 'rm'] as const;
  const several = name.endsWith('y') ? `${name.slice(0, -1)}ies` : `${name}s`;
  return { name, kind, summary, several, operands, ofTenant, initial, fixed: {}, verbs };
}

/** A kind that there is one object of. */
function single(name: string, kind: ObjectKind, summary: string, verbs: readonly Verb[]): Noun {
  const fixed = { name: kind.name };
  const [several = summary] = summary.split(';');
  const rest = { operands: [], ofTenant: false, initial: {} };
  return { name, kind, summary, several, ...rest, fixed, verbs };
}

/** Fields whose own name says too much or too little. */
const flagNames: Readonly<Record<string, string>> = {
  networkName: 'network',
  cfgdTag: 'tag',
  extContractsGrps: 'external-contracts',
  netProfile: 'netprofile',
  fromEndpointGroup: 'from-group',
  toEndpointGroup: 'to-group',
  DSCP: 'dscp',
  DSCPIn: 'dscp-in',
  endpointGroups: 'groups',
  contractsType: 'type',
  networkInfraType: 'fabric-mode',
  fwdMode: 'forward-mode',
  vlans: 'vlan-range',
  vxlans: 'vxlan-range',
  pvtSubnet: 'private-subnet',
  routerip: 'router-ip',
};

/** The nouns, in the order of help. */
export const nouns: readonly Noun[] = [
  noun('tenant', objectKinds.tenant, 'tenants: names and addresses of their own'),
  noun('network', objectKinds.network, 'networks', { encap: 'vxlan' }),
  noun('group', objectKinds.endpointGroup, 'endpoint groups: containers that policies are about'),
  noun('policy', objectKinds.policy, 'policies: sets of rules'),
  noun('rule', objectKinds.rule, 'rules of policies', { direction: 'in', action: 'allow' }),
  noun('netprofile', objectKinds.netprofile, 'network profiles: bandwidth and DSCP of groups'),
  noun('service', objectKinds.serviceLB, 'services: one address for many containers'),
  {
    name: 'endpoint',
    kind: objectKinds.endpoint,
    summary: 'endpoints: containers on networks',
    several: 'endpoints',
    operands: [{ field: 'id', name: 'ID', summary: 'part of the id or name of a container' }],
    ofTenant: false,
    initial: {},
    fixed: {},
    verbs: ['ls', 'get'],
  },
  {
    ...noun('app-profile', objectKinds.appProfile, 'application profiles: groups that go together'),
    several: 'application profiles',
  },
  {
    ...noun(
      'external-contracts',
      objectKinds.extContractsGroup,
      'external contracts of ACI; kept, not used',
    ),
    several: 'groups of external contracts',
  },
  // they are always there: made by nobody, and removed they are what they were at first
  single('global', objectKinds.global, 'settings of the site', ['get', 'set', 'rm']),
  single('aci-gw', objectKinds.aciGw, 'settings of the ACI gateway; kept, not used', [
    'get',
    'create',
    'set',
    'rm',
  ]),
  {
    ...noun('bgp', objectKinds.Bgp, 'BGP settings of hosts; kept, not used'),
    several: 'BGP settings of hosts',
  },
];

/** The flag of a field. */
export function flagOf(field: string): string {
  return flagNames[field] ?? field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The fields that flags set: all but those of the key. */
export function settableFields({ kind }: Noun): readonly (readonly [string, Field])[] {
  return Object.entries(kind.fields).filter(([name]) => !kind.key.includes(name));
}

/** The flags of the fields. They have no variables: what is in an environment must not end up in an object. */
export function fieldOptions(
  of: Noun,
  initial: Noun['initial'] = {},
): readonly OptionRow<unknown>[] {
  return settableFields(of).map(([name, field]) => ({
    flag: flagOf(name),
    placeholder: placeholderOf(name, field),
    summary: lowerFirst(field.doc).replace(/\.$/, ''),
    defaultShown: initial[name] ?? String(('default' in field && field.default) || 'none'),
    defaultText: undefined,
    hasVariable: false,
    read: (text) => readField(field, text),
  }));
}

function placeholderOf(name: string, field: Field): string {
  if (field.type === 'whole') return 'N';
  if (field.type === 'list') return `${capitals(name).replace(/S$/, '')},…`;
  return field.words?.join('|') ?? capitals(name);
}

function readField(field: Field, text: string): Reading<unknown> {
  switch (field.type) {
    case 'text':
      return { value: text };
    case 'list':
      return { value: text === '' ? [] : text.split(',') };
    case 'whole': {
      const isWhole = /^-?(?:0|[1-9][0-9]{0,14})$/.test(text);
      return isWhole ? { value: Number(text) } : { mustBe: 'a whole number' };
    }
  }
}

function capitals(field: string): string {
  const flag = flagOf(field).replace(/-(?:name|id)$/, '');
  return flag.replaceAll('-', '_').toUpperCase();
}

function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
