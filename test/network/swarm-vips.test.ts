/** Addresses of a swarm's services: what managers tell, who may have them, and when they go. */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseAddress } from '../../lib/ip/ip.ts';
import { networkSwarmVipRange, swarmVipKey, swarmVipRange } from '../../lib/model/site-keys.ts';
import { planNetworkCreation } from '../../lib/network/calls.ts';
import { planCreateEndpoint } from '../../lib/network/endpoints.ts';
import { planAddressRequest, planPoolRequest } from '../../lib/network/ipam/calls.ts';
import { globalSpace } from '../../lib/network/ipam/space.ts';
import { planAllocateNetwork, planFreeNetwork } from '../../lib/network/swarm-networks.ts';
import {
  compareVips,
  planForgetVip,
  planTellVip,
  type KnownVip,
  type ToldVip,
} from '../../lib/network/swarm-vips.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { SiteHost } from '../support/site-hosts.ts';

const id = 'cnk07edi8rw4o4jztrnl8l6ik';
const cidr = '10.210.0.0/24';
const subnets = [{ addressSpace: '', pool: cidr, gateway: '10.210.0.254/24', auxiliary: {} }];

let whole: MapStore;
let host: SiteHost;
let poolId: string;
beforeEach(async () => {
  whole = new MapStore();
  host = new SiteHost(whole, 'h1');
  const surroundings = { hostRoutes: [], defaults: { v4: [], v6: [] } };
  const asked = { space: globalSpace, pool: cidr, subPool: '', options: {}, v6: false };
  const made = await runPlan(host.store, () => planPoolRequest(asked, surroundings, 'h1'));
  ({ poolId } = made);
  await give('10.210.0.254', true);
  await runPlan(host.store, () => planAllocateNetwork({ id, options: {}, subnets }));
  const part = { id, internal: false, options: {}, subnets, mtuDefault: 1500, ofSwarm: true };
  await runPlan(host.store, () => planNetworkCreation(part, 'h1'));
});

/** An address by a manager. */
const give = (address = '', gateway = false) =>
  runPlan(host.store, () => planAddressRequest({ poolId, address, gateway }, 'h1'));
const attach = (digit: string, ipv4: string) =>
  runPlan(host.store, () =>
    planCreateEndpoint(
      { networkId: id, endpointId: digit.repeat(64), ipv4, ipv6: '', mac: '' },
      'h1',
    ),
  );
const vip = (end: number, service = 's1', version = 5, networkId = id): ToldVip => ({
  networkId,
  address: parseAddress(`10.210.0.${end}`),
  service: { id: service, name: 'api', version },
});
const tell = (one: ToldVip) => runPlan(host.store, () => planTellVip(one));
const rows = async () => (await host.store.range(swarmVipRange)).rows;

describe('an address of a service', () => {
  it('is told once, and again when another service has it', async () => {
    expect([await tell(vip(3)), await tell(vip(3, 's1', 9))]).toEqual(['new', 'known']);
    expect(await tell(vip(3, 's2', 7))).toBe('new');
    const [row, ...more] = await rows();
    expect(more).toEqual([]);
    expect(JSON.parse(row?.value ?? '')).toEqual({
      ...{ tenant: 'default', network: id, service: 's2', name: 'api', version: 7 },
    });
  });

  it('is none of ours in a network that no manager has allocated here, or outside of its subnets', async () => {
    expect(await tell(vip(3, 's1', 5, 'ziqkazjcj9v8f1yc0f2gde2o0'))).toBe('not ours');
    expect(await tell({ ...vip(3), address: parseAddress('10.9.0.3') })).toBe('outside');
    expect(await rows()).toEqual([]);
  });

  it('goes to no container, though managers say yes to whoever names it', async () => {
    await give('10.210.0.3');
    await tell(vip(3));
    expect(await give('10.210.0.3')).toEqual({ address: '10.210.0.3/24' });
    await expect(attach('a', '10.210.0.3/24')).rejects.toThrow('belongs to service api');
    const [row] = await rows();
    const forget = () =>
      runPlan(host.store, () =>
        planForgetVip(swarmVipKey(id, vip(3).address), row?.modRevision ?? 0),
      );
    expect([await forget(), await forget()]).toEqual([true, false]);
    await attach('a', '10.210.0.3/24');
    expect(await tell(vip(3))).toBe('taken');
  });

  it('or a container have it, however close they come', async () => {
    await give('10.210.0.3');
    let done: Promise<unknown> | undefined;
    // between what the plan has read and what it writes
    whole.beforeTxn = () => {
      whole.beforeTxn = undefined;
      done = tell(vip(3));
    };
    await attach('a', '10.210.0.3/24').catch(() => undefined);
    await done;
    const isContainers = [...whole.rows.keys()].some((key) => key.startsWith('/address/'));
    expect(isContainers).toBe((await rows()).length === 0);
  });

  it('goes with its network', async () => {
    await tell(vip(3));
    for (let answer = 'more'; answer === 'more';) {
      answer = await runPlan(host.store, () => planFreeNetwork(id));
    }
    expect((await host.store.range(networkSwarmVipRange(id))).rows).toEqual([]);
    expect(await tell(vip(3))).toBe('not ours');
  });
});

describe('what managers list', () => {
  const known = (end: number, service = 's1', version = 5): KnownVip => ({
    key: swarmVipKey(id, vip(end).address),
    networkId: id,
    value: { tenant: 'default', network: id, service, name: 'api', version },
    modRevision: 40 + end,
  });
  const listing = (
    vips: readonly ToldVip[],
    services = vips.map(({ service }) => service),
    networks = [id],
  ) => ({
    networks: new Set(networks),
    services: new Map(services.map((one) => [one.id, one] as const)),
    vips: new Map(vips.map((one) => [swarmVipKey(one.networkId, one.address), one] as const)),
  });
  const past = { missing: new Map(), removed: new Set<string>(), nowMs: 100, confirmMs: 20 };

  it('takes nothing back of networks that a manager does not know', () => {
    const changes = compareVips([known(3)], listing([], [], []), { ...past, nowMs: 9_999 });
    expect(changes).toEqual({ told: [], forgotten: [], missing: new Map() });
  });

  it('takes back at once what the manager knows better', () => {
    const rowsBefore = [known(3)];
    const later = { id: 's1', name: 'api', version: 6 };
    expect(compareVips(rowsBefore, listing([], [later]), past).forgotten).toEqual(rowsBefore);
    const heard = { ...past, removed: new Set(['s1']) };
    expect(compareVips(rowsBefore, listing([]), heard).forgotten).toEqual(rowsBefore);
    const other = vip(3, 's2', 6);
    const changes = compareVips(rowsBefore, listing([other]), past);
    expect(changes).toMatchObject({ forgotten: rowsBefore, told: [other] });
  });

  it('and what was not listed for long, but not by one list alone', () => {
    const rowsBefore = [known(3)];
    const first = compareVips(rowsBefore, listing([]), past);
    expect(first).toMatchObject({ told: [], forgotten: [] });
    const soon = { ...past, missing: first.missing, nowMs: 119 };
    const second = compareVips(rowsBefore, listing([]), soon);
    expect(second.forgotten).toEqual([]);
    const late = { ...past, missing: second.missing, nowMs: 120 };
    expect(compareVips(rowsBefore, listing([]), late).forgotten).toEqual(rowsBefore);
    // a row that was written anew begins anew
    const anew = [{ ...known(3), modRevision: 99 }];
    expect(compareVips(anew, listing([]), late).forgotten).toEqual([]);
    // and so does one that was listed in between
    const back = compareVips(rowsBefore, listing([vip(3)]), soon);
    expect(back).toEqual({ told: [], forgotten: [], missing: new Map() });
  });

  it('comes in the end to be what is written, whatever there was', () => {
    const services = fc.record({
      end: fc.integer({ min: 1, max: 4 }),
      service: fc.constantFrom('a', 'b'),
    });
    const some = fc.uniqueArray(services, { selector: ({ end }) => end, maxLength: 4 });
    fc.assert(
      fc.property(some, some, fc.integer({ min: 4, max: 6 }), (before, after, version) => {
        const now = listing(after.map(({ end, service }) => vip(end, service, version)));
        let there = before.map(({ end, service }) => known(end, service));
        let { missing }: { missing: ReturnType<typeof compareVips>['missing'] } = past;
        for (const nowMs of [100, 110, 120]) {
          const changes = compareVips(there, now, { ...past, missing, nowMs });
          ({ missing } = changes);
          there = there.filter((row) => !changes.forgotten.includes(row));
          for (const { address, service } of changes.told) {
            there.push(known(Number(address.value % 256n), service.id, service.version));
          }
        }
        const texts = there.map(({ key, value }) => `${key} ${value.service}`);
        const wanted = [...now.vips].map(([key, { service }]) => `${key} ${service.id}`);
        expect(texts.toSorted()).toEqual(wanted.toSorted());
        expect(missing.size).toBe(0);
      }),
    );
  });
});
