/**
 * What has to be written so that the way to the wire is as it should be: nothing when it is. All of it is one
 * transaction, so that a crash leaves all of it or none.
 */
import type { OurBridge } from '../bridge.ts';
import { insert, mutate, update, type Operation } from '../ovsdb/operations.ts';
import type { Uuid } from '../ovsdb/values.ts';
import {
  bondColumns,
  bondName,
  bridgeColumns,
  forInsert,
  hasColumns,
  isOurs,
  localColumns,
  marks,
  patchColumns,
  peerInterface,
  singleColumns,
  uplinkBridgeName,
  wireInterface,
  wirePeerName,
  wirePortName,
  type Columns,
} from './layout.ts';
import type { ObservedPort, ObservedUplinks } from './observe.ts';

/** How it should be. */
export interface WantedUplinks {
  /** NICs that are to be uplinks, those that can be. */
  readonly members: readonly string[];
  /** Whether they are one bond, also while there is only one of them. */
  readonly isBond: boolean;
}

type Operations = readonly Operation<unknown>[];

/** The operations from what is there to what is wanted; undefined is wanted where there are to be no uplinks. */
export function uplinkChanges(
  main: OurBridge,
  observed: ObservedUplinks,
  wanted: WantedUplinks | undefined,
): Operations {
  if (wanted === undefined) return takeAway(main, observed);
  const { bridge } = observed;
  const { datapath_type: datapathType } = main.row;
  const wire = patchEnd('wire', { observed: observed.wire, bridge: main.uuid });
  if (bridge === undefined) {
    return [...makeBridge(datapathType, wanted), ...wire];
  }
  const columns = bridgeColumns(datapathType);
  return [
    ...(hasColumns(bridge.row, columns)
      ? []
      : [update('Bridge', [['_uuid', '==', bridge.uuid]], columns)]),
    ...fixPort(observed.local, localColumns),
    ...patchEnd('peer', { observed: observed.peer, bridge: bridge.uuid }),
    ...wire,
    ...fixHolders(bridge.uuid, observed.holders, wanted),
  ];
}

/** Ports of others stay, and with them the bridge. */
function takeAway(
  main: OurBridge,
  { bridge, wire, peer, holders, foreign }: ObservedUplinks,
): Operations {
  const operations: Operation<unknown>[] = [];
  if (wire !== undefined) operations.push(removePorts(main.uuid, [wire.uuid]));
  if (bridge === undefined) return operations;
  if (foreign.length === 0) {
    operations.push(mutate('Open_vSwitch', [], [['bridges', 'delete', [bridge.uuid]]]));
    return operations;
  }
  const ours = [...holders, ...(peer === undefined ? [] : [peer])];
  if (ours.length > 0) {
    operations.push(
      removePorts(
        bridge.uuid,
        ours.map(({ uuid }) => uuid),
      ),
    );
  }
  return operations;
}

function makeBridge(datapathType: string, wanted: WantedUplinks): Operations {
  const made = { name: uplinkBridgeName, external_ids: marks };
  const holder = makeHolder(wanted);
  return [
    insert('Interface', { ...made, type: 'internal' }, 'local_interface'),
    insert(
      'Port',
      { ...made, ...forInsert(localColumns), interfaces: [{ named: 'local_interface' }] },
      'local_port',
    ),
    ...holder,
    ...makePatch('peer'),
    insert(
      'Bridge',
      {
        ...made,
        ...forInsert(bridgeColumns(datapathType)),
        ports: ['local', ...(holder.length === 0 ? [] : ['holder']), 'peer'].map((name) => ({
          named: `${name}_port`,
        })),
      },
      'uplink_bridge',
    ),
    mutate('Open_vSwitch', [], [['bridges', 'insert', [{ named: 'uplink_bridge' }]]]),
  ];
}

/** The port of the NICs, made as `holder_port`; nothing without any NIC. */
function makeHolder({ members, isBond }: WantedUplinks): Operations {
  const [first] = members;
  if (first === undefined) return [];
  return [
    ...members.map((name, at) =>
      insert('Interface', { name, external_ids: marks }, `member_${at}`),
    ),
    insert(
      'Port',
      {
        name: isBond ? bondName : first,
        external_ids: marks,
        ...forInsert(isBond ? bondColumns : singleColumns),
        interfaces: members.map((_, at) => ({ named: `member_${at}` })),
      },
      'holder_port',
    ),
  ];
}

function fixHolders(
  bridge: Uuid,
  holders: readonly ObservedPort[],
  wanted: WantedUplinks,
): Operations {
  const { members, isBond } = wanted;
  const kept = holders.find(({ row }) => row.name === (isBond ? bondName : members[0]));
  const gone = holders.filter((one) => one !== kept || members.length === 0);
  const operations: Operation<unknown>[] = [];
  if (gone.length > 0) {
    operations.push(
      removePorts(
        bridge,
        gone.map(({ uuid }) => uuid),
      ),
    );
  }
  if (members.length === 0) return operations;
  if (kept === undefined) {
    return [
      ...operations,
      ...makeHolder(wanted),
      mutate(
        'Bridge',
        [['_uuid', '==', bridge]],
        [['ports', 'insert', [{ named: 'holder_port' }]]],
      ),
    ];
  }
  return [
    ...operations,
    ...fixPort(kept, isBond ? bondColumns : singleColumns),
    ...fixMembers(kept, members),
  ];
}

function fixMembers({ uuid, interfaces }: ObservedPort, members: readonly string[]): Operations {
  const there = new Set(interfaces.map(({ row }) => row.name));
  const missing = members.filter((name) => !there.has(name));
  const left = interfaces.filter(({ row }) => !members.includes(row.name));
  const port = [['_uuid', '==', uuid]] as const;
  return [
    ...missing.map((name, at) =>
      insert('Interface', { name, external_ids: marks }, `member_${at}`),
    ),
    ...(missing.length === 0
      ? []
      : [
          mutate('Port', port, [
            ['interfaces', 'insert', missing.map((_, at) => ({ named: `member_${at}` }))],
          ]),
        ]),
    ...(left.length === 0
      ? []
      : [mutate('Port', port, [['interfaces', 'delete', left.map((one) => one.uuid)]])]),
  ];
}

const patches = {
  wire: { name: wirePortName, columns: wireInterface },
  peer: { name: wirePeerName, columns: peerInterface },
} as const;

/** One end of the patch: right as it is, or made anew. */
function patchEnd(
  end: keyof typeof patches,
  { observed, bridge }: { readonly observed: ObservedPort | undefined; readonly bridge: Uuid },
): Operations {
  const [link] = observed?.interfaces ?? [];
  if (observed !== undefined && link !== undefined) {
    if (hasColumns(link.row, patches[end].columns) && isOurs(link.row)) {
      return fixPort(observed, patchColumns);
    }
  }
  return [
    ...(observed === undefined ? [] : [removePorts(bridge, [observed.uuid])]),
    ...makePatch(end),
    mutate('Bridge', [['_uuid', '==', bridge]], [['ports', 'insert', [{ named: `${end}_port` }]]]),
  ];
}

function makePatch(end: keyof typeof patches): Operations {
  const { name, columns } = patches[end];
  const made = { name, external_ids: marks };
  return [
    insert('Interface', { ...made, ...columns }, `${end}_interface`),
    insert(
      'Port',
      { ...made, ...forInsert(patchColumns), interfaces: [{ named: `${end}_interface` }] },
      `${end}_port`,
    ),
  ];
}

function fixPort(port: ObservedPort | undefined, columns: Columns<'Port'>): Operations {
  if (port === undefined || hasColumns(port.row, columns)) return [];
  return [update('Port', [['_uuid', '==', port.uuid]], columns)];
}

function removePorts(bridge: Uuid, ports: readonly Uuid[]): Operation<unknown> {
  return mutate('Bridge', [['_uuid', '==', bridge]], [['ports', 'delete', ports]]);
}
