/** Netprofiles that groups get, change for others and lose, by what the switches then have; also while an agent is away. */
import { beforeAll, describe, expect, it } from 'vitest';
import { kilobitsOf } from '../../../lib/model/objects/bandwidth.ts';
import { BandwidthSite, type Meter } from '../../support/bandwidth-site.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(2);
let site: BandwidthSite;

beforeAll(async () => {
  site = await BandwidthSite.open(lab);
}, 240_000);

const post = (plural: string, name: string, body: object) =>
  site.apiOf(lab.host(1)).ask({
    method: 'POST',
    path: `/api/v1/${plural}/default:${name}/`,
    body: { tenantName: 'default', ...body },
  });
const profile = (profileName: string, given: object) =>
  post('netprofiles', profileName, { profileName, ...given });
/** The group has this profile now, or none. */
const attach = (netProfile: string) =>
  post('endpointGroups', 'slow', { groupName: 'slow', networkName: 'net', netProfile });

const meterOf = (bandwidth: string, burst: number): Meter => ({
  rate: kilobitsOf(bandwidth) ?? Number.NaN,
  burst: burst * 8,
});

/** Each container of the group has this limit, on both hosts; none without it. */
async function untilLimited(wanted?: Meter, hosts: readonly (1 | 2)[] = [1, 2]): Promise<void> {
  for (const host of hosts) {
    const all = wanted === undefined ? [] : host === 1 ? [wanted, wanted] : [wanted];
    await until(`limits of host ${host}`, async () => {
      const has = await site.meters(lab.host(host));
      return JSON.stringify(has) === JSON.stringify(all);
    });
  }
}

describe('Contiv’s NetprofileUpdate', () => {
  it('a profile that changes, in all forms of its units, is in force for all of the group', async () => {
    for (const [bandwidth, burst] of [
      ['10Mbps', 180],
      ['18Mb', 320],
      ['6 Mbps', 100],
    ] as const) {
      await profile('p', { bandwidth, burst });
      await untilLimited(meterOf(bandwidth, burst));
    }
  });

  it('another profile takes its place, and changes of the one before mean nothing', async () => {
    await profile('q', { bandwidth: '40mbps', burst: 200 });
    await attach('q');
    await untilLimited(meterOf('40mbps', 200));
    await profile('p', { bandwidth: '7mbps', burst: 100 });
    await profile('q', { bandwidth: '30mbps', burst: 200 });
    await untilLimited(meterOf('30mbps', 200));
  });

  it('a group without its profile has no limit, nor has one whose profile says none', async () => {
    await attach('');
    await untilLimited();
    await attach('q');
    await untilLimited(meterOf('30mbps', 200));
    await profile('q', { bandwidth: '', burst: 0 });
    await untilLimited();
    await profile('q', { bandwidth: '20mbps', burst: 150 });
    await untilLimited(meterOf('20mbps', 150));
  });
});

describe('Contiv’s NetprofileTriggerNetpluginRestart', () => {
  it('what changes while an agent is away is in force once it is back, and what was so long', async () => {
    const two = lab.host(2);
    await profile('p', { bandwidth: '12mbps', burst: 150 });
    await attach('p');
    await untilLimited(meterOf('12mbps', 150));
    await site.agents.kill(two);
    await profile('p', { bandwidth: '16mbps', burst: 270 });
    await untilLimited(meterOf('16mbps', 270), [1]);
    expect(await site.meters(two)).toEqual([meterOf('12mbps', 150)]);
    await site.agents.start(two);
    await untilLimited(meterOf('16mbps', 270));
    await site.agents.kill(two);
    await attach('');
    await untilLimited(undefined, [1]);
    await site.agents.start(two);
    await untilLimited();
  });
});
