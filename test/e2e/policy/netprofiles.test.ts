/** Netprofiles that groups get, change for others and lose, by what the switches then have; also while an agent is away. */
import { beforeAll, describe, expect, it } from 'vitest';
import { kilobitsOf } from '../../../lib/model/objects/bandwidth.ts';
import { BandwidthSite, type Meter } from '../../support/bandwidth-site.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { dockerOk } from '../../support/docker.ts';
import { netctlOk } from '../../support/netctl.ts';
import { runContainer } from '../../support/shared-networks.ts';
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

describe('Contiv’s NetprofileMultipleTenant', () => {
  it('profiles of one name are each tenant’s own, for the groups of all its networks', async () => {
    await attach('');
    await untilLimited();
    const tenants = ['red', 'green', 'blue'] as const;
    const typed = (words: string) => netctlOk(lab.host(1), words);
    const rates = { red: '10mbps', green: '11mbps', blue: '12mbps' };
    for (const tenant of tenants) {
      await typed(`tenant create ${tenant}`);
      await typed(`netprofile create -t ${tenant} -b ${rates[tenant]} -s 150 p`);
      for (const n of [1, 2]) {
        await typed(`network create -t ${tenant} -s 10.91.${n}.0/24 -g 10.91.${n}.254 net${n}`);
        await typed(`group create -t ${tenant} -n p net${n} slow${n}`);
      }
    }
    for (const n of [1, 2] as const) {
      for (const tenant of tenants) {
        const network = `slow${n}/${tenant}`;
        const isThere = async () =>
          (await lab.host(n).docker(['network', 'inspect', network])).code === 0;
        await until(`${network} is there`, isThere);
        await runContainer(lab.host(n), { name: tenant, network });
      }
    }
    // of its own network on each host, one of each tenant
    const untilRates = async (wanted: Readonly<Record<string, string>>) => {
      const all = Object.values(wanted).map((bandwidth) => meterOf(bandwidth, 150));
      const sorted = all.toSorted((one, other) => one.rate - other.rate);
      for (const host of [1, 2]) {
        await until(
          `limits of host ${host}`,
          async () => JSON.stringify(await site.meters(lab.host(host))) === JSON.stringify(sorted),
        );
      }
    };
    await untilRates(rates);
    await typed('netprofile create -t green -b 20mbps -s 150 p');
    await untilRates({ ...rates, green: '20mbps' });
    for (const host of lab.hosts) await dockerOk(host, ['rm', '-f', ...tenants]);
    await untilLimited();
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
