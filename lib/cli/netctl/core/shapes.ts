/**
 * What Contiv's client knew of each kind of object: fields, their types, and their order, which is the order
 * of its `-j` and `inspect`. An answer is read by its shape: what is empty is left out, what the shape does
 * not know is dropped, what has another type is refused.
 */

/** The type of a field. */
export type Shape =
  | 'text'
  | 'number'
  | 'texts'
  | 'link'
  | 'links'
  | { readonly list: FieldShapes }
  | { readonly group: FieldShapes };

/** Fields by name, in the order they are written. */
export interface FieldShapes {
  readonly [name: string]: Shape;
}

/** A value as JSON has it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
/** An object as JSON has it. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** What was read, or what does not fit, in words. */
export type Shaped<Value> = { readonly value: Value } | { readonly complaint: string };

const texts = (...names: readonly string[]): FieldShapes =>
  Object.fromEntries(names.map((name) => [name, 'text']));
const linkSets = (...names: readonly string[]): FieldShapes => ({
  'link-sets': { group: Object.fromEntries(names.map((name) => [name, 'links'])) },
});
const links = (...names: readonly string[]): FieldShapes => ({
  links: { group: Object.fromEntries(names.map((name) => [name, 'link'])) },
});

const endpoint: FieldShapes = {
  ...texts('containerID', 'containerName'),
  endpointGroupId: 'number',
  ...texts('endpointGroupKey', 'endpointID', 'homingHost', 'intfName'),
  ipAddress: 'texts',
  ...texts('labels', 'macAddress', 'network', 'serviceName', 'virtualPort', 'vtepIP'),
};
const groupOper: FieldShapes = {
  ...texts('allocatedIPAddresses', 'availableIPAddresses'),
  endpoints: { list: endpoint },
  externalPktTag: 'number',
  groupTag: 'text',
  numEndpoints: 'number',
  pktTag: 'number',
};
const networkOper: FieldShapes = {
  allocatedAddressesCount: 'number',
  ...texts('allocatedIPAddresses', 'availableIPAddresses'),
  endpoints: { list: endpoint },
  externalPktTag: 'number',
  networkTag: 'text',
  numEndpoints: 'number',
  pktTag: 'number',
};
const policyOper: FieldShapes = {
  endpoints: { list: endpoint },
  numEndpoints: 'number',
  policyViolations: 'number',
};
const serviceOper: FieldShapes = {
  numProviders: 'number',
  providers: { list: endpoint },
  serviceVip: 'text',
};

/** One kind: its name in paths, the fields that make its key, and its shapes. */
export interface Kind {
  readonly plural: string;
  readonly key: readonly string[];
  readonly config?: FieldShapes;
  readonly oper?: FieldShapes;
}

/** The kinds that netctl works with. */
export const kinds = {
  tenant: {
    plural: 'tenants',
    key: ['tenantName'],
    config: {
      ...texts('key', 'defaultNetwork', 'tenantName'),
      ...linkSets(
        'AppProfiles',
        'EndpointGroups',
        'NetProfiles',
        'Networks',
        'Policies',
        'Servicelbs',
        'VolumeProfiles',
        'Volumes',
      ),
    },
    oper: {
      endpointGroups: { list: groupOper },
      endpoints: { list: endpoint },
      networks: { list: networkOper },
      policies: { list: policyOper },
      servicelbs: { list: serviceOper },
      totalAppProfiles: 'number',
      totalEPGs: 'number',
      totalEndpoints: 'number',
      totalNetprofiles: 'number',
      totalNetworks: 'number',
      totalPolicies: 'number',
      totalServicelbs: 'number',
    },
  },
  network: {
    plural: 'networks',
    key: ['tenantName', 'networkName'],
    config: {
      ...texts('key', 'cfgdTag', 'encap', 'gateway', 'ipv6Gateway', 'ipv6Subnet'),
      ...texts('networkName', 'nwType'),
      pktTag: 'number',
      ...texts('subnet', 'tenantName'),
      ...linkSets('EndpointGroups', 'Servicelbs', 'Services'),
      ...links('Tenant'),
    },
    oper: networkOper,
  },
  endpointGroup: {
    plural: 'endpointGroups',
    key: ['tenantName', 'groupName'],
    config: {
      ...texts('key', 'cfgdTag'),
      extContractsGrps: 'texts',
      ...texts('groupName', 'ipPool', 'netProfile', 'networkName'),
      policies: 'texts',
      tenantName: 'text',
      ...linkSets('ExtContractsGrps', 'MatchRules', 'Policies', 'Services'),
      ...links('AppProfile', 'NetProfile', 'Network', 'Tenant'),
    },
    oper: groupOper,
  },
  policy: {
    plural: 'policys',
    key: ['tenantName', 'policyName'],
    config: {
      ...texts('key', 'policyName', 'tenantName'),
      ...linkSets('EndpointGroups', 'Rules'),
      ...links('Tenant'),
    },
    oper: policyOper,
  },
  rule: {
    plural: 'rules',
    key: ['tenantName', 'policyName', 'ruleId'],
    config: {
      ...texts('key', 'action', 'direction', 'fromEndpointGroup', 'fromIpAddress', 'fromNetwork'),
      policyName: 'text',
      port: 'number',
      priority: 'number',
      ...texts('protocol', 'ruleId', 'tenantName'),
      ...texts('toEndpointGroup', 'toIpAddress', 'toNetwork'),
      ...linkSets('Policies'),
      ...links('MatchEndpointGroup'),
    },
  },
  netprofile: {
    plural: 'netprofiles',
    key: ['tenantName', 'profileName'],
    config: {
      key: 'text',
      DSCP: 'number',
      bandwidth: 'text',
      burst: 'number',
      ...texts('profileName', 'tenantName'),
      ...linkSets('EndpointGroups'),
      ...links('Tenant'),
    },
  },
  appProfile: {
    plural: 'appProfiles',
    key: ['tenantName', 'appProfileName'],
    config: {
      ...texts('key', 'appProfileName'),
      endpointGroups: 'texts',
      tenantName: 'text',
      ...linkSets('EndpointGroups'),
      ...links('Tenant'),
    },
  },
  extContractsGroup: {
    plural: 'extContractsGroups',
    key: ['tenantName', 'contractsGroupName'],
    config: {
      key: 'text',
      contracts: 'texts',
      ...texts('contractsGroupName', 'contractsType', 'tenantName'),
      ...linkSets('EndpointGroups'),
    },
  },
  serviceLB: {
    plural: 'serviceLBs',
    key: ['tenantName', 'serviceName'],
    config: {
      ...texts('key', 'ipAddress', 'networkName'),
      ports: 'texts',
      selectors: 'texts',
      ...texts('serviceName', 'tenantName'),
      ...links('Network', 'Tenant'),
    },
    oper: serviceOper,
  },
  global: {
    plural: 'globals',
    key: ['name'],
    config: texts(
      ...['key', 'arpMode', 'fwdMode', 'name', 'networkInfraType', 'pvtSubnet', 'vlans', 'vxlans'],
    ),
    oper: {
      ...texts('clusterMode', 'defaultNetwork'),
      freeVXLANsStart: 'number',
      numNetworks: 'number',
      ...texts('vlansInUse', 'vxlansInUse'),
    },
  },
  aciGw: {
    plural: 'aciGws',
    key: ['name'],
    config: texts(
      ...['key', 'enforcePolicies', 'includeCommonTenant', 'name'],
      ...['nodeBindings', 'pathBindings', 'physicalDomain'],
    ),
    oper: { numAppProfiles: 'number' },
  },
  Bgp: {
    plural: 'Bgps',
    key: ['hostname'],
    config: texts('key', 'as', 'hostname', 'neighbor', 'neighbor-as', 'routerip'),
    oper: {
      ...texts('adminStatus', 'neighborStatus'),
      numRoutes: 'number',
      routes: 'texts',
    },
  },
  endpoint: { plural: 'endpoints', key: ['endpointID'], oper: endpoint },
} as const satisfies Record<string, Kind>;

/** The name of a kind. */
export type KindName = keyof typeof kinds;

/** An object of a kind, as it is written. */
export function shapeObject(kind: KindName, value: unknown): Shaped<JsonObject> {
  const { config = {} }: Kind = kinds[kind];
  return shapeFields(config, value, kind);
}

/** What `inspect` answers: `Config` and `Oper`, as far as the kind has them. */
export function shapeInspection(kind: KindName, value: unknown): Shaped<JsonObject> {
  const { config, oper }: Kind = kinds[kind];
  return shapeFields(
    {
      ...(config === undefined ? {} : { Config: { group: config } }),
      ...(oper === undefined ? {} : { Oper: { group: oper } }),
    },
    value,
    kind,
  );
}

/** Objects of a kind. */
export function shapeList(kind: KindName, value: unknown): Shaped<readonly JsonObject[]> {
  if (value === null) return { value: [] };
  if (!Array.isArray(value)) return unfit(value, kind, 'a list');
  const objects: JsonObject[] = [];
  for (const each of value as readonly unknown[]) {
    const shaped = shapeObject(kind, each);
    if ('complaint' in shaped) return shaped;
    objects.push(shaped.value);
  }
  return { value: objects };
}

function shapeFields(fields: FieldShapes, value: unknown, where: string): Shaped<JsonObject> {
  if (!isObject(value)) return unfit(value, where, 'an object');
  const written: Record<string, Json> = {};
  for (const [name, shape] of Object.entries(fields)) {
    const shaped = shapeField(shape, value[name], `${where}.${name}`);
    if ('complaint' in shaped) return shaped;
    if (shaped.value !== undefined) written[name] = shaped.value;
  }
  return { value: written };
}

/** A field as it is written; undefined when it is left out. */
function shapeField(shape: Shape, value: unknown, where: string): Shaped<Json | undefined> {
  if (typeof shape === 'object' && 'group' in shape) {
    return shapeFields(shape.group, value ?? {}, where);
  }
  if (shape === 'link') return shapeFields(linkFields, value ?? {}, where);
  if (value === undefined || value === null) return { value: undefined };
  switch (shape) {
    case 'text':
      if (typeof value !== 'string') return unfit(value, where, 'a text');
      return { value: value === '' ? undefined : value };
    case 'number':
      if (typeof value !== 'number' || !Number.isInteger(value)) {
        return unfit(value, where, 'a whole number');
      }
      return { value: value === 0 ? undefined : value };
    case 'texts':
      if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) {
        return unfit(value, where, 'a list of texts');
      }
      return { value: value.length === 0 ? undefined : value };
    case 'links':
      return shapeLinks(value, where);
    default:
      return shapeItems(shape.list, value, where);
  }
}

const linkFields: FieldShapes = texts('type', 'key');

/** Maps are written in the order of their keys. */
function shapeLinks(value: unknown, where: string): Shaped<Json | undefined> {
  if (!isObject(value)) return unfit(value, where, 'an object');
  const names = Object.keys(value).toSorted();
  const written: Record<string, Json> = {};
  for (const name of names) {
    const shaped = shapeFields(linkFields, value[name], `${where}.${name}`);
    if ('complaint' in shaped) return shaped;
    written[name] = shaped.value;
  }
  return { value: names.length === 0 ? undefined : written };
}

function shapeItems(item: FieldShapes, value: unknown, where: string): Shaped<Json | undefined> {
  if (!Array.isArray(value)) return unfit(value, where, 'a list');
  const items: Json[] = [];
  for (const each of value as readonly unknown[]) {
    const shaped = shapeFields(item, each, where);
    if ('complaint' in shaped) return shaped;
    items.push(shaped.value);
  }
  return { value: items.length === 0 ? undefined : items };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unfit(value: unknown, where: string, wanted: string): { readonly complaint: string } {
  const found = Array.isArray(value)
    ? 'a list'
    : value === null
      ? 'null'
      : isObject(value)
        ? 'an object'
        : `a ${typeof value}`;
  return { complaint: `json: ${where} is ${found}, not ${wanted}` };
}
