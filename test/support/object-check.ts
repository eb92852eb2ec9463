/** What always holds of the rows of objects, looked at by going through all of them. */
import { isDeepStrictEqual } from 'node:util';
import { hexAddress, parseAddress, parseCidr } from '../../lib/ip/ip.ts';
import type { Config } from '../../lib/model/objects/kind.ts';
import { allKinds, describedKind } from '../../lib/model/objects/kinds.ts';
import {
  groupEndpointKey,
  linkKey,
  objectKey,
  objectOfKey,
  type ObjectName,
} from '../../lib/model/objects/object-keys.ts';
import {
  groupPoolSchema,
  objectRowSchema,
  tagOwnerSchema,
  withZeros,
  type ObjectRow,
} from '../../lib/model/objects/rows.ts';
import { poolAddressSchema, poolSchema } from '../../lib/model/pool.ts';
import { siteEndpointSchema, siteNetworkSchema } from '../../lib/model/site.ts';
import { networkConfig } from '../../lib/network/objects/show.ts';
import { writtenRow, type RowSaid } from '../../lib/network/objects/written-rows.ts';
import type { MapStore } from './map-store.ts';

const text = (config: Config, field: string): string => String(config[field]);

/** As it comes back from text: what is undefined is not there. */
const asText = (shown: RowSaid): unknown => JSON.parse(JSON.stringify(shown));

interface Found {
  readonly name: ObjectName;
  readonly row: ObjectRow;
}

/** All that is wrong with objects and what belongs to them, as sentences; empty when nothing is. */
export function wrongOfObjects(whole: MapStore): readonly string[] {
  const rows = [...whole.rows.values()].map(({ key, value }) => ({
    key,
    value: JSON.parse(value),
  }));
  const below = (prefix: string) => rows.filter(({ key }) => key.startsWith(prefix));
  const keys = new Set(whole.rows.keys());
  const objects = below('/object/').map(({ key, value }): Found => {
    const kind = describedKind(key.split('/')[2] as never);
    const { config, ...rest } = objectRowSchema(kind).parse(value);
    return { name: objectOfKey(kind.name, key), row: { ...rest, config: withZeros(kind, config) } };
  });
  const networks = below('/network/').map(({ value }) => siteNetworkSchema.parse(value));
  const wrong: string[] = [];
  const same = (what: string, some: Iterable<string>, others: Iterable<string>): void => {
    const [one, two] = [some, others].map((texts) => [...texts].toSorted().join(' '));
    if (one !== two) wrong.push(`${what}: ${one || 'none'} against ${two || 'none'}`);
  };

  // what is kept of a row is what reading it anew gives
  for (const { name, row } of objects) {
    const written = whole.rows.get(objectKey(name));
    const shown = written && writtenRow(written);
    if (shown === undefined) continue;
    const { config, ...rest } = row;
    if (isDeepStrictEqual(asText(shown), asText({ name, config, row: rest }))) continue;
    wrong.push(`${name.kind} ${name.parts.join(':')} is shown as ${JSON.stringify(shown)}`);
  }

  // every reference has its object; every link its two
  const links: string[] = [];
  for (const { name, row } of objects) {
    for (const [field, { refers }] of Object.entries(describedKind(name.kind).fields)) {
      const value = row.config[field];
      if (refers === undefined || value === undefined || value === '') continue;
      for (const each of typeof value === 'object' ? value : [String(value)]) {
        const tenant = String(row.config['tenantName']);
        const named: ObjectName = {
          kind: refers.kind,
          parts: refers.kind === 'tenant' ? [each] : [tenant, each],
        };
        // a group or network that a rule names may go; it means whoever has the name, or the subnet that it had
        const hadSubnet = row.config[field.replace('Network', 'IpAddress')] !== '';
        const mayGo = refers.mayGo === true && (refers.kind !== 'network' || hadSubnet);
        if (!mayGo && !keys.has(objectKey(named))) {
          wrong.push(`${name.kind} ${name.parts.join(':')} names ${refers.kind} ${each}`);
        }
        if (refers.linked) links.push(linkKey(named, name));
      }
    }
  }
  same(
    'links',
    below('/link/').map(({ key }) => key),
    new Set(links),
  );
  const guarded = new Set(['endpointGroup', 'policy', 'netprofile', 'extContractsGroup']);
  same(
    'guards',
    // a tenant has one only once somebody was about to remove it
    below('/guard/')
      .map(({ key }) => key)
      .filter((key) => !(key.startsWith('/guard/tenant/') && keys.has(key.slice('/guard'.length)))),
    objects
      .filter(({ name }) => guarded.has(name.kind))
      .map(({ name }) => objectKey(name).replace('/object/', '/guard/')),
  );

  // numbers and tags have one owner, which has them
  const groups = objects.filter(({ name }) => name.kind === 'endpointGroup');
  same(
    'group numbers',
    below('/number/group/').map(({ key, value }) => `${Number(key.slice(14))} ${value.owner}`),
    groups.map(({ name, row }) => `${row.number} ${name.parts.join(':')}`),
  );
  const tagged = [
    ...networks.map((network) => ({
      kind: 'network',
      parts: [network.tenant, network.name],
      tag: networkConfig(network)['cfgdTag'],
    })),
    ...groups.map(({ name, row }) => ({
      kind: name.kind,
      parts: name.parts,
      tag: row.config['cfgdTag'],
    })),
  ].filter(({ tag }) => tag !== '');
  same(
    'tags',
    below('/contiv-tag/').map(({ key, value }) => {
      const { kind, tenant, name } = tagOwnerSchema.parse(value);
      return `${key.slice(12)} ${kind} ${tenant} ${name}`;
    }),
    tagged.map(({ kind, parts, tag }) => `${String(tag)} ${kind} ${parts.join(' ')}`),
  );
  for (const network of networks) {
    if (keys.has(objectKey({ kind: 'endpointGroup', parts: [network.tenant, network.name] }))) {
      wrong.push(`${network.tenant}:${network.name} is a network and a group`);
    }
  }

  // members are attachments that say so, to the network of a group that is there
  same(
    'members of groups',
    below('/group-endpoint/').map(({ key }) => key),
    below('/endpoint/').flatMap(({ key, value }) => {
      const { id, group } = siteEndpointSchema.parse(value);
      const [, , tenant = '', network] = key.split('/');
      if (group === undefined) return [];
      const its = groups.find(({ name }) => name.parts.join('/') === `${tenant}/${group}`);
      if (its?.row.config['networkName'] !== network) wrong.push(`${id} is of no group ${group}`);
      return [groupEndpointKey(tenant, group, id)];
    }),
  );

  // pools of groups and addresses of services are those of the network's pool
  const pools = below('/ipam/pool/').map(({ value }) => poolSchema.parse(value));
  const withPool = groups.filter(({ row }) => row.config['ipPool'] !== '');
  same(
    'pools of groups',
    below('/group-pool/').map(({ key, value }) => {
      const { group, first, last } = groupPoolSchema.parse(value);
      const [, , tenant, network] = key.split('/');
      return `${tenant}/${network}/${group}/${Number.parseInt(first, 16)}-${Number.parseInt(last, 16)}`;
    }),
    withPool.map(({ row: { config } }) => {
      const ends = String(config['ipPool'])
        .split('-')
        .map((end) => parseAddress(end).value);
      return `${text(config, 'tenantName')}/${text(config, 'networkName')}/${text(config, 'groupName')}/${ends.join('-')}`;
    }),
  );
  for (const pool of pools) {
    const [tenant = '', network = ''] = pool.space.split(':');
    const those = below(`/group-pool/${tenant}/${network}/`).map(({ value }) =>
      groupPoolSchema.parse(value),
    );
    const four = parseCidr(pool.cidr).family === 4;
    if ((pool.groupPools ?? 0) !== (four ? those.length : 0)) {
      wrong.push(`${pool.space} counts ${pool.groupPools} pools of groups`);
    }
    for (const [n, one] of those.entries()) {
      if (those.some((other, m) => m !== n && other.first <= one.last && one.first <= other.last)) {
        wrong.push(`pool of ${one.group} overlaps another`);
      }
      for (const { key, value } of below(`/ipam/address/${pool.space}/${pool.cidr}/`)) {
        const hex = key.slice(key.lastIndexOf('/') + 1);
        const { state, group } = poolAddressSchema.parse(value);
        const others = state === 'held' && group !== one.group;
        if (four && others && hex >= one.first && hex <= one.last) {
          wrong.push(`${hex} of the pool of ${one.group} is held for ${group ?? 'no group'}`);
        }
      }
    }
  }
  const services = objects.filter(({ name }) => name.kind === 'serviceLB');
  same(
    'addresses of services',
    below('/ipam/address/').flatMap(({ key, value }) => {
      const { use, service } = poolAddressSchema.parse(value);
      const [, , , space] = key.split('/');
      const hex = key.slice(key.lastIndexOf('/') + 1);
      return use === 'service' ? [`${space} ${service} ${hex}`] : [];
    }),
    services.flatMap(({ row: { config, address = '', address6 } }) =>
      [address, ...(address6 === undefined ? [] : [address6])].map((one) => {
        const hex = hexAddress(parseAddress(one));
        return `${text(config, 'tenantName')}:${text(config, 'networkName')} ${text(config, 'serviceName')} ${hex}`;
      }),
    ),
  );
  if (allKinds.length === 0) wrong.push('there are no kinds');
  return wrong;
}
