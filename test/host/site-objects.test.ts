/** Commands for objects, as far as the host's engine has a say in them. */
import { beforeEach, describe, expect, it, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import { SiteObjects } from '../../lib/host/site-objects.ts';
import { objectLeavingMs, objectWaitersMax } from '../../lib/limits.ts';
import { networkKind } from '../../lib/model/objects/network.ts';
import { policyKind } from '../../lib/model/objects/policy.ts';
import { readConfig } from '../../lib/model/objects/read-config.ts';
import { planDefaultTenant } from '../../lib/network/objects/tenants.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { createManualClock, type ManualClock } from '../datapath/connection/manual-clock.ts';
import { MapStore } from '../support/map-store.ts';
import { noDocker } from '../support/no-docker.ts';
import { SiteHost, type MadeNetwork } from '../support/site-hosts.ts';
import { until } from '../support/until.ts';

/** An engine in a swarm without our managed plugin: nothing new of the model is of use to it. */
const docker = {
  async requireUsable(isNew: () => Promise<boolean>): Promise<void> {
    if (await isNew()) throw new FairleadError('SWARM_MODE', 'in a swarm');
  },
  followed: () => Promise.resolve(),
};
let objects: SiteObjects;
const name = { kind: 'network', parts: ['default', 'net'] } as const;
const config = (nwType: string, more: object = {}) =>
  readConfig(networkKind, 'default:net', {
    ...{ tenantName: 'default', networkName: 'net', encap: 'vxlan', subnet: '10.1.0.0/24' },
    ...{ nwType, ...more },
  });

beforeEach(async () => {
  const { store } = new SiteHost(new MapStore(), 'one');
  await runPlan(store, planDefaultTenant);
  objects = new SiteObjects(store, systemClock, docker);
});

test.each([
  ['put', () => objects.put(name, config('data'), {})],
  ['declared', () => objects.declare(name, () => config('data'), {})],
])('a network for containers is not %s while the engine cannot use it', async (_, command) => {
  await expect(command()).rejects.toMatchObject({ code: 'SWARM_MODE' });
});

test.each([
  ['put', () => objects.put(name, config('infra'), {})],
  ['declared', () => objects.declare(name, () => config('infra'), {})],
])('an infra network, which no engine has, is %s all the same', async (_, command) => {
  await command();
  expect(await objects.show(name, 'local')).toMatchObject({ config: { nwType: 'infra' } });
});

it('changes what is there', async () => {
  await objects.put(name, config('infra'), {});
  await objects.put(name, config('infra', { enforcement: 'audit' }), {});
  expect(await objects.show(name, 'local')).toMatchObject({ config: { enforcement: 'audit' } });
});

describe('a network that a host has still to let go of', () => {
  let clock: ManualClock;
  let host: SiteHost;
  let had: MadeNetwork;
  const create = () => objects.declare(name, () => config('data'), {});
  const policy = (policyName: string) =>
    ({ kind: 'policy', parts: ['default', policyName] }) as const;
  const putPolicy = (policyName: string) =>
    objects.put(
      policy(policyName),
      readConfig(policyKind, `default:${policyName}`, { tenantName: 'default', policyName }),
      {},
    );
  const outcome = (doing: Promise<unknown>): Promise<unknown> =>
    doing.then(
      () => 'done',
      (thrown: unknown) => thrown,
    );

  /** Moves time until it is done, and answers what came of it. */
  async function soon<Value>(doing: Promise<Value>): Promise<Value> {
    let isDone = false;
    const done = doing.then((value) => {
      isDone = true;
      return value;
    });
    await until('it is done', async () => {
      await clock.advance(objectLeavingMs / 10);
      return isDone;
    });
    return done;
  }

  beforeEach(async () => {
    host = new SiteHost(new MapStore(), 'one');
    await runPlan(host.store, planDefaultTenant);
    clock = createManualClock();
    objects = new SiteObjects(host.store, clock, noDocker);
    await create();
    const options = { network: 'net', follows: 'model' };
    had = await host.createNetwork({ id: '1'.repeat(64), options, ipamOptions: options });
    await objects.remove(name, {});
  });

  it('is waited for, while other commands of its tenant go on', async () => {
    const again = outcome(create());
    await until('it waits', () => clock.sleepers() === 1);
    await putPolicy('p');
    expect(await objects.show(policy('p'), 'local')).toBeDefined();
    await host.removeNetwork(had);
    expect(await soon(again)).toBe('done');
  });

  it('is waited for so long, and then it is said', async () => {
    const again = outcome(create());
    expect(await soon(again)).toMatchObject({ code: 'OBJECT_LEAVING' });
  });

  it('is waited for by so many, and one more is told at once', async () => {
    const all = Promise.all(Array.from({ length: objectWaitersMax }, () => outcome(create())));
    await until('they wait', () => clock.sleepers() === objectWaitersMax);
    expect(await outcome(create())).toMatchObject({ code: 'OBJECT_LEAVING' });
    await host.removeNetwork(had);
    expect(new Set(await soon(all))).toEqual(new Set(['done']));
    // the places are free again
    await objects.remove(name, {});
    await create();
  });
});
