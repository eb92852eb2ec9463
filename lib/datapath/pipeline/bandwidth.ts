/**
 * What the profile of an endpoint says of what it sends and gets: meters and marks, in the first table and in the
 * last. An endpoint without a profile has none of this. OpenFlow 1.3.5 section 5.7 for meters, RFC 2474 for marks.
 */
import type { Action, Instructions, Match, Meter } from '../openflow/codec/flow.ts';
import { flags, meters, registers, tables } from './fields.ts';
import { bothFamilies, untagged } from './packets.ts';
import type { FlowWriter } from './unit.ts';
import type { LocalEndpoint, TrafficProfile } from '../../network/world.ts';

/** What there is to know of an endpoint here. */
export type Metered = Pick<LocalEndpoint, 'port' | 'profile'>;

type WayName = 'out' | 'in';

const ways: readonly WayName[] = ['out', 'in'];

/** The meter of one way, undefined without a limit. */
export function meterOf({ port, profile }: Metered, way: WayName): number | undefined {
  if (profile?.[way]?.limit === undefined) return undefined;
  return profile.sharedBy === undefined
    ? meters.endpoint(port, way)
    : meters.group(profile.sharedBy, way);
}

/** The meters of an endpoint. Endpoints that share name the same ones, which are there once. */
export function endpointMeters(endpoint: Metered): readonly Meter[] {
  return ways.flatMap((way) => {
    const id = meterOf(endpoint, way);
    const limit = endpoint.profile?.[way]?.limit;
    if (id === undefined || limit === undefined) return [];
    const bands = [{ kind: 'drop', ...limit }] as const;
    return [{ id, unit: 'kilobits', burst: true, statistics: true, bands } as const];
  });
}

/** Frames of a container come in through its meter. `then` is what is done with frames of this container. */
export function endpointSends(flow: FlowWriter, endpoint: Metered, then: Instructions): void {
  const from: Match = { inPort: endpoint.port, ...untagged };
  const metered = { ...then, ...throughMeter(endpoint, 'out') };
  flow.add({ table: tables.classify, priority: 100 }, from, metered);
  for (const [packets, mark] of marks(endpoint.profile, 'out')) {
    const apply = [mark, ...(then.apply ?? [])];
    flow.add({ table: tables.classify, priority: 110 }, [from, packets], { ...metered, apply });
  }
}

/**
 * What is for a container alone goes out through its meter. Copies of what is for many do not: a meter ends
 * the packet, and so the copies of those behind it.
 */
export function endpointGets(flow: FlowWriter, endpoint: Metered): void {
  const { port, profile } = endpoint;
  if (profile?.in === undefined) return;
  const to = { ...flags({ toLocal: true }), [registers.exit]: port };
  const output: Action = { kind: 'output', port };
  const meter = throughMeter(endpoint, 'in');
  flow.add({ table: tables.exit, priority: 100 }, to, { ...meter, apply: [output] });
  for (const [packets, mark] of marks(profile, 'in')) {
    const apply = [mark, output];
    flow.add({ table: tables.exit, priority: 110 }, [to, packets], { ...meter, apply });
  }
}

function throughMeter(endpoint: Metered, way: WayName): Pick<Instructions, 'meter'> {
  const meter = meterOf(endpoint, way);
  return meter === undefined ? {} : { meter };
}

/** Packets that are marked, each family by itself, and how. */
function marks(
  profile: TrafficProfile | undefined,
  way: WayName,
): readonly (readonly [Match, Action])[] {
  const dscp = profile?.[way]?.dscp;
  if (dscp === undefined) return [];
  return bothFamilies.map((packets) => [
    packets,
    { kind: 'setField', field: 'ipDscp', value: dscp },
  ]);
}
