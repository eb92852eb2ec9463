/**
 * Networks that route or bridge, on VXLAN and VLAN, with gateways and without, whoever answers ARP: made in two tenants
 * with the same subnets, used on three hosts, removed at once, and made anew after the site's settings have changed.
 */
import { afterEach, beforeAll, expect, it } from 'vitest';
import type { Vantage } from '../../lab/traffic/instrument.ts';
import { reaches, untilReaches } from '../../lab/traffic/pings.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { netctlOk } from '../../support/netctl.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(3);

beforeAll(async () => {
  const environment = () => ({ FAIRLEAD_UPLINKS: 'eth1' });
  await SiteAgents.start(lab.hosts, { form: 'binary', environment });
}, 240_000);

const typed = (host: number, words: string) => netctlOk(lab.host(host), words);

const tenants = ['blue', 'red'] as const;
const networks = ['web', 'shop'] as const;
const places = tenants.flatMap((tenant) => networks.map((network) => ({ tenant, network })));
type Place = (typeof places)[number];

/** Somebody in a network on a host. Tenants have the same subnets, and no address twice. */
const addressOf = ({ tenant, network }: Place, host: number, family: 4 | 6): string => {
  const last = host + (tenant === 'blue' ? 0 : 10);
  const subnet = network === 'web' ? 1 : 2;
  return family === 4 ? `10.70.${subnet}.${last}` : `fd70:${subnet}::${last}`;
};
const nameOf = ({ tenant, network }: Place, host: number): string => `${tenant}-${network}-${host}`;

interface Form {
  readonly encap: 'vxlan' | 'vlan';
  readonly mode: 'routing' | 'bridge';
  readonly arp?: 'flood';
  readonly isWithoutGateways?: true;
}
const forms: Readonly<Record<string, Form>> = {
  'on VXLAN, routing': { encap: 'vxlan', mode: 'routing' },
  'on VXLAN, bridging': { encap: 'vxlan', mode: 'bridge' },
  'on VXLAN, bridging, ARP flooded': { encap: 'vxlan', mode: 'bridge', arp: 'flood' },
  'on VXLAN, without gateways': { encap: 'vxlan', mode: 'routing', isWithoutGateways: true },
  'on VLANs, bridging': { encap: 'vlan', mode: 'bridge' },
  'on VLANs, bridging, ARP flooded': { encap: 'vlan', mode: 'bridge', arp: 'flood' },
  'on VLANs, routing': { encap: 'vlan', mode: 'routing' },
  'on VLANs, without gateways': { encap: 'vlan', mode: 'bridge', isWithoutGateways: true },
};

async function make({ encap, mode, arp, isWithoutGateways }: Form): Promise<void> {
  await typed(1, `global set --fwd-mode ${mode} --arp-mode ${arp ?? 'proxy'}`);
  for (const tenant of tenants) await typed(1, `tenant create ${tenant}`);
  for (const { tenant, network } of places) {
    const n = network === 'web' ? 1 : 2;
    const gateways = isWithoutGateways ? '' : ` -g 10.70.${n}.254 --g6 fd70:${n}::fe`;
    const subnets = `-s 10.70.${n}.0/24 --s6 fd70:${n}::/64${gateways}`;
    await typed(1, `network create -t ${tenant} -e ${encap} ${subnets} ${network}`);
  }
}

/** One in each network on a host. */
async function run(number: number): Promise<readonly (readonly [string, Vantage])[]> {
  const host = lab.host(number);
  const all: (readonly [string, Vantage])[] = [];
  for (const place of places) {
    const name = nameOf(place, number);
    const network = `${place.network}/${place.tenant}`;
    const there = async () => (await host.docker(['network', 'inspect', network])).code === 0;
    await until(`${host.name} has ${network}`, there);
    const addresses = ['--ip', addressOf(place, number, 4), '--ip6', addressOf(place, number, 6)];
    await runContainer(host, { name, network, options: addresses });
    all.push([name, await containerOf(host, name)]);
  }
  return all;
}

afterEach(async () => {
  const ofHost = (number: number) => places.map((place) => nameOf(place, number));
  await Promise.all([1, 2, 3].map((n) => dockerOk(lab.host(n), ['rm', '-f', ...ofHost(n)])));
  // at once, each on another host
  await Promise.all(
    places.map(({ tenant, network }, at) =>
      typed((at % 3) + 1, `network rm -t ${tenant} ${network}`),
    ),
  );
  await Promise.all(tenants.map((tenant, at) => typed(at + 2, `tenant rm ${tenant}`)));
  expect(await typed(3, 'network ls -a -q')).toBe('');
});

/** Whether there is an answer; there is none where the kernel of who asks has no way there. */
async function isAnswered(from: Vantage, to: string): Promise<boolean> {
  try {
    return await reaches(from, to);
  } catch (error) {
    if (String(error).includes('ENETUNREACH')) return false;
    throw error;
  }
}

it.for(Object.entries(forms))(
  'networks %s carry what is theirs, and other networks as they say',
  async ([, form]) => {
    await make(form);
    const all = new Map((await Promise.all([1, 2, 3].map(run))).flat());
    const from = (place: Place, host: number): Vantage => {
      const found = all.get(nameOf(place, host));
      if (found === undefined) throw new Error(`nobody is ${nameOf(place, host)}`);
      return found;
    };
    const families = [4, 6] as const;
    for (const place of places) {
      for (const [one, other] of [
        [1, 2],
        [2, 3],
        [3, 1],
      ] as const) {
        for (const family of families) {
          await untilReaches(from(place, one), addressOf(place, other, family));
        }
      }
    }
    // another network of the tenant by a gateway of ours only, on the same host and another
    const meets = form.mode === 'routing' && form.isWithoutGateways !== true;
    const [web, shop, redWeb] = places;
    if (web === undefined || shop === undefined || redWeb === undefined) throw new Error('places');
    for (const family of families) {
      for (const host of [1, 2]) {
        const to = addressOf(shop, host, family);
        if (meets) await untilReaches(from(web, 1), to);
        else expect([to, await isAnswered(from(web, 1), to)]).toEqual([to, false]);
        // the same network of the other tenant never
        const stranger = addressOf(redWeb, host, family);
        expect([stranger, await isAnswered(from(web, 1), stranger)]).toEqual([stranger, false]);
      }
    }
  },
);
