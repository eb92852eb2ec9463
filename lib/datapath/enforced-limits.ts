/**
 * What a switch does with what endpoints send and get, read from its flows and meters and from nothing else: what
 * was asked for may be something else. Pure.
 */
import type { Flow, Match, Meter } from './openflow/codec/flow.ts';
import type { MeterCounters } from './openflow/codec/messages.ts';
import { registers, tables } from './pipeline/fields.ts';

/** What a switch does one way. What it does not do is left out. */
export interface EnforcedWay {
  /** Kilobits a second, and at once above that. */
  readonly rate?: number;
  readonly burst?: number;
  readonly dscp?: number;
  /** What went through the meter, with what did not pass, and what did not. */
  readonly packets?: number;
  readonly bytes?: number;
  readonly droppedPackets?: number;
  readonly droppedBytes?: number;
}

/** What a switch does with the traffic of one port. */
export interface EnforcedPort {
  readonly out: EnforcedWay;
  readonly in: EnforcedWay;
}

/** What a switch has: flows of the first table and the last. */
export interface SwitchState {
  readonly flows: readonly Flow[];
  readonly meters: readonly Meter[];
  readonly counters: readonly MeterCounters[];
}

/** What is done with the traffic of each port of which anything is done, by OpenFlow port. */
export function enforcedLimits(state: SwitchState): ReadonlyMap<number, EnforcedPort> {
  const meters = new Map(state.meters.map((meter) => [meter.id, meter]));
  const counters = new Map(state.counters.map((each) => [each.meter, each]));
  const ports = new Map<number, EnforcedPort>();
  for (const flow of state.flows) {
    const place = placeOf(flow);
    if (place === undefined) continue;
    const { port, way } = place;
    const done = { ...metered(flow, meters, counters), ...marked(flow) };
    if (Object.keys(done).length === 0) continue;
    const before = ports.get(port) ?? { out: {}, in: {} };
    ports.set(port, { ...before, [way]: { ...before[way], ...done } });
  }
  return ports;
}

function placeOf({ table, match }: Flow): { port: number; way: 'out' | 'in' } | undefined {
  const [asked, way] =
    table === tables.classify
      ? ([match.inPort, 'out'] as const)
      : ([match[registers.exit], 'in'] as const);
  const port = exactly(asked);
  return port === undefined ? undefined : { port, way };
}

/** The value that is asked for, where all of it is. */
function exactly(wanted: Match['reg4']): number | undefined {
  if (typeof wanted !== 'object') return wanted;
  return wanted.mask === 0xffff_ffff ? wanted.value : undefined;
}

function metered(
  { meter: id }: Flow,
  meters: ReadonlyMap<number, Meter>,
  counters: ReadonlyMap<number, MeterCounters>,
): EnforcedWay {
  const meter = id === undefined ? undefined : meters.get(id);
  const band = meter?.bands.find((each) => each.kind === 'drop');
  if (meter?.unit !== 'kilobits' || band?.kind !== 'drop') return {};
  const counted = counters.get(meter.id);
  const dropped = counted?.bands[0];
  return {
    rate: band.rate,
    burst: band.burst,
    ...(counted === undefined
      ? {}
      : { packets: Number(counted.packets), bytes: Number(counted.bytes) }),
    ...(dropped === undefined
      ? {}
      : { droppedPackets: Number(dropped.packets), droppedBytes: Number(dropped.bytes) }),
  };
}

function marked({ apply = [] }: Flow): EnforcedWay {
  for (const action of apply) {
    if (action.kind === 'setField' && action.field === 'ipDscp') return { dscp: action.value };
  }
  return {};
}
