import { describe, expect, it } from 'vitest';
import {
  planSweep,
  type DockerView,
  type Records,
  type Suspects,
} from '../../lib/network/sweep.ts';

const patience = { absentMs: 3_000, unclaimedMs: 30_000 };
const none: Suspects = new Map();
const empty: Records = { networks: [], endpoints: [], pools: [], addresses: [] };
const nothing: DockerView = { networks: new Map(), pools: new Map() };

const endpoint = (id: string, modRevision: number) => ({
  modRevision,
  value: {
    id,
    networkId: 'n1',
    mac: '02:42:0a:00:00:02',
    macDerived: true,
    state: 'joined' as const,
  },
});
const network = (id: string, modRevision: number) => ({
  modRevision,
  value: { id, internal: false, tag: 1, mtu: 1500, subnets: [], options: {} },
});
const address = (modRevision: number, endpointId?: string) => ({
  modRevision,
  key: 'k',
  poolId: 's/10.0.0.0/24/1',
  cidr: '10.0.0.0/24',
  space: 's',
  address: '10.0.0.2',
  value: {
    state: 'held' as const,
    use: 'other' as const,
    ...(endpointId === undefined ? {} : { endpointId }),
  },
});

describe('planSweep', () => {
  it('keeps what Docker lists', () => {
    const docker: DockerView = {
      networks: new Map([['n1', new Set(['e1'])]]),
      pools: new Map([['10.0.0.0/24', new Set(['10.0.0.2'])]]),
    };
    const records: Records = {
      networks: [network('n1', 1)],
      endpoints: [endpoint('e1', 2)],
      pools: [],
      addresses: [address(3)],
    };
    const sweep = planSweep(records, docker, none, 0, patience);
    expect(sweep).toMatchObject({ networks: [], endpoints: [], addresses: [] });
    expect(sweep.suspects.size).toBe(0);
  });

  it('never removes at first sight', () => {
    const records = { ...empty, endpoints: [endpoint('e1', 2)], networks: [network('n1', 1)] };
    const sweep = planSweep(records, nothing, none, 1e9, patience);
    expect(sweep.endpoints).toEqual([]);
    expect(sweep.networks).toEqual([]);
    expect(sweep.suspects.size).toBe(2);
  });

  it('removes what stays missing for long enough', () => {
    const records = { ...empty, endpoints: [endpoint('e1', 2)], networks: [network('n1', 1)] };
    const first = planSweep(records, nothing, none, 1_000, patience);
    const early = planSweep(records, nothing, first.suspects, 3_999, patience);
    expect(early.endpoints).toEqual([]);
    const late = planSweep(records, nothing, early.suspects, 4_000, patience);
    expect(late.endpoints).toEqual(records.endpoints);
    expect(late.networks).toEqual(records.networks);
  });

  it('starts over for a record that changed, and for one that Docker listed in between', () => {
    const at = (modRevision: number): Records => ({
      ...empty,
      endpoints: [endpoint('e1', modRevision)],
    });
    const first = planSweep(at(2), nothing, none, 0, patience);
    expect(planSweep(at(3), nothing, first.suspects, 9_000, patience).endpoints).toEqual([]);
    const listed: DockerView = { ...nothing, networks: new Map([['n1', new Set(['e1'])]]) };
    const seen = planSweep(at(2), listed, first.suspects, 1_000, patience);
    expect(planSweep(at(2), nothing, seen.suspects, 9_000, patience).endpoints).toEqual([]);
  });

  it('gives unclaimed addresses more time, and leaves those of a living endpoint alone', () => {
    const records = { ...empty, addresses: [address(5)] };
    const first = planSweep(records, nothing, none, 0, patience);
    expect(planSweep(records, nothing, first.suspects, 29_999, patience).addresses).toEqual([]);
    expect(planSweep(records, nothing, first.suspects, 30_000, patience).addresses).toHaveLength(1);
    const owned = { ...empty, endpoints: [endpoint('e1', 2)], addresses: [address(5, 'e1')] };
    const again = planSweep(owned, nothing, first.suspects, 60_000, patience);
    expect(again.addresses).toEqual([]);
  });

  it('leaves gateways, and what a living network keeps back, alone: engines do not list them all', () => {
    const subnets = [
      { addressSpace: 's', cidr: '10.0.0.0/24', auxiliary: { printer: '10.0.0.2' } },
    ];
    const kept = { ...network('n1', 1), value: { ...network('n1', 1).value, subnets } };
    const gateway = { ...address(6), value: { state: 'held' as const, use: 'gateway' as const } };
    const records = { ...empty, networks: [kept], addresses: [address(5), gateway] };
    const listed: DockerView = { networks: new Map([['n1', new Set()]]), pools: new Map() };
    const first = planSweep(records, listed, none, 0, patience);
    expect(planSweep(records, listed, first.suspects, 60_000, patience).addresses).toEqual([]);
  });

  it('leaves the pool of a living network alone, whatever the engine lists as its subnets', () => {
    const pool = {
      modRevision: 4,
      value: {
        space: 's',
        cidr: '10.0.0.0/24',
        serial: 1,
        state: 'used' as const,
        options: {},
        networkId: 'n1',
      },
    };
    const listed: DockerView = { networks: new Map([['n1', new Set()]]), pools: new Map() };
    const records = { ...empty, pools: [pool] };
    const first = planSweep(records, listed, none, 0, patience);
    expect(planSweep(records, listed, first.suspects, 60_000, patience).pools).toEqual([]);
    const orphan = planSweep(records, nothing, none, 0, patience);
    expect(planSweep(records, nothing, orphan.suspects, 60_000, patience).pools).toEqual([pool]);
  });
});
