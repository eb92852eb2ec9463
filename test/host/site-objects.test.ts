/** Commands for objects, as far as the host's engine has a say in them. */
import { beforeEach, expect, it, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import { SiteObjects } from '../../lib/host/site-objects.ts';
import { networkKind } from '../../lib/model/objects/network.ts';
import { readConfig } from '../../lib/model/objects/read-config.ts';
import { planDefaultTenant } from '../../lib/network/objects/tenants.ts';
import { runPlan } from '../../lib/store/run-plan.ts';
import { MapStore } from '../support/map-store.ts';
import { SiteHost } from '../support/site-hosts.ts';

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
