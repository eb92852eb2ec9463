/** What Contiv's clients cannot know, and what they say again stays as it is. */
import { beforeEach, expect, it } from 'vitest';
import { planDefaultTenant } from '../../../lib/network/objects/tenants.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import { MapStore } from '../../support/map-store.ts';
import { Operator } from '../../support/operator.ts';

let store: MapStore;
let operator: Operator;
beforeEach(async () => {
  store = new MapStore();
  operator = new Operator(store);
  await runPlan(store, planDefaultTenant);
  await operator.put('network', 'default:net', { encap: 'vxlan', subnet: '10.1.1.0/24' });
});

it('of a network profile', async () => {
  const unknown = { bandwidthIn: '5 mbps', burstIn: 40, DSCPIn: 8, sharing: 'group' };
  await operator.put('netprofile', 'default:p', { bandwidth: '1 mbps', DSCP: 3, ...unknown });
  await operator.put('netprofile', 'default:p', { bandwidth: '20mbps' });
  const now = await operator.get('netprofile', 'default:p');
  expect(now).toMatchObject({ bandwidth: '20mbps', ...unknown });
  // what they know and do not say is gone
  expect(now).not.toHaveProperty('DSCP');
});

it('of a service', async () => {
  const known = { networkName: 'net', selectors: ['app=web'], ports: ['80:8080:TCP'] };
  const unknown = { affinity: 'client', check: 'tcp', checkInterval: 9, checkFailures: 4 };
  await operator.put('serviceLB', 'default:s', { ...known, ...unknown });
  await operator.put('serviceLB', 'default:s', { ...known, ports: ['81:8080:TCP'] });
  expect(await operator.get('serviceLB', 'default:s')).toMatchObject({
    ports: ['81:8080:TCP'],
    ...unknown,
  });
  await operator.put('serviceLB', 'default:s', { ...known, checkInterval: 20 });
  expect(await operator.get('serviceLB', 'default:s')).toMatchObject({
    ...unknown,
    checkInterval: 20,
  });
});

it('also when somebody changes it at that moment', async () => {
  const other = new Operator(store);
  await operator.put('netprofile', 'default:p', { bandwidthIn: '5 mbps' });
  let others = 1;
  const between = { bandwidth: '1 mbps', bandwidthIn: '7 mbps' };
  const range = store.range.bind(store);
  store.range = async (request) => {
    const found = await range(request);
    const isRow = request.start === '/object/netprofile/default/p';
    if (isRow && others > 0) {
      others -= 1;
      await other.put('netprofile', 'default:p', between);
    }
    return found;
  };
  await operator.put('netprofile', 'default:p', { bandwidth: '20mbps' });
  expect(await operator.get('netprofile', 'default:p')).toMatchObject({
    bandwidth: '20mbps',
    bandwidthIn: '7 mbps',
  });
});
