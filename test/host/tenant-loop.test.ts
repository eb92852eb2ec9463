/** The tenant that is always there: made once, and looked for before anybody is answered. */
import { expect, test } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import { FairleadError } from '../../lib/errors.ts';
import { startTenantLoop } from '../../lib/host/tenant-loop.ts';
import { silentLogger } from '../../lib/log.ts';
import { tenantKey } from '../../lib/model/site-keys.ts';
import { MapStore } from '../support/map-store.ts';
import { SiteHost } from '../support/site-hosts.ts';

const around = { clock: systemClock, log: silentLogger() };

test('in a new site it is there when the loop has tried', async () => {
  const whole = new MapStore();
  const loop = startTenantLoop({ store: new SiteHost(whole, 'one').store, ...around });
  await loop.tried;
  expect([...whole.rows.keys()]).toContain(tenantKey('default'));
  await loop.close();
});

test('a first try that fails keeps nobody waiting, and is not the last', async () => {
  const whole = new MapStore();
  const { store } = new SiteHost(whole, 'one');
  let failures = 0;
  whole.beforeTxn = () => {
    failures += 1;
    if (failures === 1) throw new FairleadError('QUORUM_LOST', 'no majority');
  };
  const loop = startTenantLoop({ store, ...around });
  await loop.tried;
  expect([...whole.rows.keys()]).not.toContain(tenantKey('default'));
  await loop.settled(AbortSignal.timeout(20_000));
  expect([...whole.rows.keys()]).toContain(tenantKey('default'));
  await loop.close();
});
