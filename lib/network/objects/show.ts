/** Objects as they are, with who names them: what lists and single looks read. Changes nothing. Pure. */
import { Lately } from '../../lately.ts';
import { shownRowsMax } from '../../limits.ts';
import type { Config, KindName, LinkSource, ObjectKind } from '../../model/objects/kind.ts';
import { describedKind } from '../../model/objects/kinds.ts';
import {
  keyText,
  kindLinkRange,
  linkRange,
  nameOf,
  objectKey,
  objectOfKey,
  objectRange,
  parseLinkKey,
  type ObjectName,
} from '../../model/objects/object-keys.ts';
import { objectRowSchema, withZeros, type ObjectRow } from '../../model/objects/rows.ts';
import { settingsIn } from '../../model/objects/policy-settings.ts';
import { decodeRecord } from '../../model/record.ts';
import { siteNetworkSchema, tenantSchema, type SiteNetwork } from '../../model/site.ts';
import type { KeyValue } from '../../store/port.ts';
import type { Step } from '../../store/plan.ts';
import { readSettings } from '../settings.ts';
import { isLeaving } from './leaving.ts';
import { readAll, revisionOf } from './object-rows.ts';
import { writtenRow, type RowSaid } from './written-rows.ts';

/** An object as it is. */
export interface ShownObject extends RowSaid {
  /** Who names it. */
  readonly naming: readonly ObjectName[];
  /** Changes with every change of the configuration. */
  readonly revision: number;
}

/** An object's own row, shown without who names it. */
export type ShownRow = Omit<ShownObject, 'naming'>;

/** The object of this name, if it is there. */
export function* showObject(name: ObjectName): Step<ShownObject | undefined> {
  if (name.kind === 'global') return yield* showSettings();
  const [row] = (yield { start: objectKey(name) }).rows;
  if (row === undefined || isLeaving(name.kind, row)) return undefined;
  const kind = describedKind(name.kind);
  const naming: ObjectName[] = [];
  for (const source of namingSources(kind)) {
    for (const member of source.members) {
      const range = isLinked(member, source.fields)
        ? linkRange(name, member)
        : objectRange(member, name.parts);
      for (const { key } of yield* readAll(range)) naming.push(namingOf(key, member));
    }
  }
  return { ...shownRow(kind, row), naming };
}

/** All objects of a kind, in the order of their keys. */
export function* showAll(kindName: KindName): Step<readonly ShownObject[]> {
  const kind = describedKind(kindName);
  if (kindName === 'global') return [yield* showSettings()];
  if (kind.access !== 'all') return [];
  const rows = (yield* readAll(objectRange(kindName, []))).filter(
    (row) => !isLeaving(kindName, row),
  );
  const naming = yield* allNaming(kind);
  return rows.map((row) => {
    const shown = shownRow(kind, row);
    return { ...shown, naming: naming.get(keyText(shown.name)) ?? [] };
  });
}

/** Who names each object of a kind, by its key. */
function* allNaming(kind: ObjectKind): Step<ReadonlyMap<string, readonly ObjectName[]>> {
  const naming = new Map<string, ObjectName[]>();
  const add = (key: string, member: ObjectName): void => {
    const members = naming.get(key);
    if (members === undefined) naming.set(key, [member]);
    else members.push(member);
  };
  const sources = namingSources(kind);
  const members = sources.flatMap((source) =>
    source.members.map((member) => ({ member, linked: isLinked(member, source.fields) })),
  );
  for (const { member, linked } of members) {
    if (linked) continue;
    for (const { key } of yield* readAll(objectRange(member, []))) {
      const name = objectOfKey(member, key);
      add(name.parts.slice(0, kind.key.length).join(':'), name);
    }
  }
  if (!members.some(({ linked }) => linked)) return naming;
  for (const { key } of yield* readAll(kindLinkRange(kind.name))) {
    const link = parseLinkKey(key);
    if (link !== undefined) add(keyText(link.named), link.naming);
  }
  return naming;
}

interface NamingSource {
  readonly members: readonly KindName[];
  readonly fields: readonly string[];
}

function namingSources(kind: ObjectKind): readonly NamingSource[] {
  const sources: readonly LinkSource[] = [
    ...Object.values(kind.linkSets),
    ...Object.values(kind.links),
  ];
  return sources.flatMap((source) =>
    'naming' in source && describedKind(source.kind).access === 'all'
      ? [{ members: [source.kind], fields: source.naming }]
      : [],
  );
}

/** Whether those that name it say so by a row of their own, or by their keys. */
const isLinked = (member: KindName, fields: readonly string[]): boolean =>
  fields.some((field) => describedKind(member).fields[field]?.refers?.linked === true);

/** Who names, by the key of a link or of the one that names. */
const namingOf = (key: string, member: KindName): ObjectName =>
  parseLinkKey(key)?.naming ?? objectOfKey(member, key);

/** The settings, which are there also when nobody set any. */
export function* showSettings(): Step<ShownObject> {
  const { config, modRevision } = yield* readSettings();
  const name: ObjectName = { kind: 'global', parts: ['global'] };
  return { name, config, naming: [], revision: modRevision, row: {} };
}

/** Rows that were shown before: a list is asked for again and again. */
const shownRows = new Lately<{ readonly row: KeyValue; readonly shown: ShownRow }>(shownRowsMax);

/** The object in a row of its kind; not for settings. */
export function shownRow(kind: ObjectKind, row: KeyValue): ShownRow {
  const known = shownRows.get(row.key);
  // there may be several stores, as in tests
  const isSame = known?.row.modRevision === row.modRevision && known.row.value === row.value;
  if (known !== undefined && isSame) return known.shown;
  const said = writtenRow(row) ?? readRow(kind, row);
  const shown = { ...said, revision: revisionOf(kind.name, row) };
  shownRows.put(row.key, { row, shown });
  return shown;
}

function readRow(kind: ObjectKind, row: KeyValue): RowSaid {
  const { config: given, ...rest } = rowOf(kind, row);
  const config = withZeros(kind, given);
  return { name: nameOf(kind, config), config, row: rest };
}

function rowOf(kind: ObjectKind, row: KeyValue): ObjectRow {
  if (kind.name === 'network') {
    return { config: networkConfig(decodeRecord(siteNetworkSchema, row).value) };
  }
  if (kind.name === 'tenant') {
    const tenant = decodeRecord(tenantSchema, row).value;
    const { name, defaultNetwork = '' } = tenant;
    return { config: { tenantName: name, defaultNetwork, ...settingsIn(tenant) } };
  }
  return decodeRecord(objectRowSchema(kind), row).value;
}

/** The configuration of a network: as it was typed, or what Docker's calls came to. */
export function networkConfig(network: SiteNetwork): Config {
  const { asked } = network;
  // stored canonical: one with a colon is IPv6
  const four = network.subnets.find(({ cidr }) => !cidr.includes(':'));
  const six = network.subnets.find(({ cidr }) => cidr.includes(':'));
  return {
    tenantName: network.tenant,
    networkName: network.name,
    nwType: asked?.nwType ?? 'data',
    encap: network.encapsulation.kind,
    pktTag: asked?.pktTag ?? 0,
    subnet: asked?.subnet ?? four?.cidr ?? '',
    gateway: four?.gateway ?? '',
    ipv6Subnet: asked?.ipv6Subnet ?? six?.cidr ?? '',
    ipv6Gateway: six?.gateway ?? '',
    cfgdTag: asked?.cfgdTag ?? '',
    hostAccess: network.hostAccess ?? '',
    ...settingsIn(network),
  };
}
