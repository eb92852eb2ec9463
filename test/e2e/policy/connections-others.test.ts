/**
 * Conversations that are open while limits, services and hosts change that they are not about, or that let them be: they
 * go on without a silence. With a service's address, and with the container behind it, they end.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { kilobitsOf } from '../../../lib/model/objects/bandwidth.ts';
import type { LabHost } from '../../lab/host.ts';
import { callTcp, serveTcp } from '../../lab/traffic/tcp.ts';
import { listenUdp } from '../../lab/traffic/udp.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { metersOf } from '../../support/bandwidth-site.ts';
import { untilClear, untilCondition } from '../../support/conditions.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { netctlOk } from '../../support/netctl.ts';
import { OpenTalk } from '../../support/open-talk.ts';
import { echo, OpenTalks, stillMachines } from '../../support/open-talks.ts';
import type { Name } from '../../support/policy-cast.ts';
import { PolicySite } from '../../support/policy-site.ts';
import type { Talk } from '../../support/policy-words.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { until } from '../../support/until.ts';
import { serviceInspected } from './service-inspected.ts';

const lab = labOfSite(3, { machines: stillMachines });
let site: PolicySite;
const open = new OpenTalks(lab);
/** By when a host that is dead is known to be, and one that is back has been heard of. */
const lookMs = 60_000;

const typed = (words: string) => netctlOk(lab.host(1), words);
/** Of a container that services lead to, by the last number of its addresses. */
const addressesOf = (number: number) => [`10.80.2.${number}`, `fd80:2::${number}`] as const;
const vip = '10.80.2.200';
const loneVip = '10.80.2.201';
/** What a service is created or written with. */
const shop = (more: string) => typed(`service create -t blue -s db ${more} --ip ${vip} shop`);
const ofShop = '-l app=shop -p 443:8443:TCP -p 80:8080:UDP';

/** Runs a container that services lead to, which sends back what comes. */
async function serve(host: number, name: string, number: number): Promise<void> {
  const [v4, v6] = addressesOf(number);
  const label = `app=${name.replace(/\d/, '')}`;
  const options = ['--ip', v4, '--ip6', v6, '--label', label];
  await runContainer(lab.host(host), { name, network: 'db/blue', options });
  const at = await containerOf(lab.host(host), name);
  await serveTcp(at, { port: 8443, mode: 'echo' });
  await listenUdp(at, { port: 8080, echo: true });
}

const inspected = (name: string) => serviceInspected(lab.host(1), name);

/** Until these containers are behind it, and no others. */
async function untilBehind(service: string, names: readonly string[]): Promise<void> {
  await until(`behind ${service}: ${names.join(', ')}`, async () => {
    const { providers = [] } = await inspected(service);
    const ready = providers.filter(({ providerState }) => providerState === 'ready');
    const found = ready.map(({ containerName }) => containerName.replace('/', ''));
    return found.toSorted().join() === names.toSorted().join();
  });
}

/** From both hosts, of both families, by TCP and UDP. */
async function openWith(service: string, v4: string): Promise<readonly OpenTalk[]> {
  const { serviceVip6 = '' } = await inspected(service);
  return open.add(
    (['front1', 'front4'] as const).flatMap((from) =>
      [v4, serviceVip6].flatMap((to) =>
        (
          [
            ['tcp', echo],
            ['udp', 80],
          ] as const
        ).map(([protocol, port]) => {
          const what = `${from} -> ${service} ${to} ${protocol}`;
          return () => OpenTalk.with(site.at(from), { to, protocol, port, what });
        }),
      ),
    ),
  );
}

beforeAll(async () => {
  site = await PolicySite.open(lab);
  await site.agents.allVote();
  await open.serve(site);
  await serve(1, 'shop1', 101);
  await serve(2, 'shop2', 102);
  await serve(2, 'lone1', 103);
  await shop(ofShop);
  await untilBehind('shop', ['shop1', 'shop2']);
}, 300_000);

afterEach(() => open.close());
afterAll(() => {
  process.stderr.write(`others: ${open.told}`);
});

describe('what is open goes on', () => {
  it('while its groups get limits, which change, and lose them', async () => {
    /** The limits of all containers of the groups on the hosts of the talks, at the end of a step. */
    const untilLimited = (perHost: readonly (readonly string[])[]) =>
      until(`limits ${JSON.stringify(perHost)}`, async () => {
        const has = await Promise.all([1, 2, 3].map((host) => metersOf(lab.host(host))));
        const wanted = perHost.map((each) => each.map((words) => kilobitsOf(words)));
        return (
          JSON.stringify(has.map((each) => each.map(({ rate }) => rate))) === JSON.stringify(wanted)
        );
      });
    await open.open(site);
    const step = async (act: () => Promise<unknown>, perHost: readonly (readonly string[])[]) => {
      await act();
      await untilLimited(perHost);
      await open.goOn();
    };
    const profile = (name: string, bandwidth: string) => () =>
      site.profile(name, { bandwidth, burst: bandwidth === '' ? 0 : 500 });
    await profile('p', '100mbps')();
    await profile('q', '50mbps')();
    await step(() => site.attach('front', 'p'), [['100mbps'], ['100mbps'], []]);
    await step(
      () => site.attach('back', 'q'),
      [['50mbps', '100mbps'], ['50mbps', '100mbps'], ['50mbps']],
    );
    await step(profile('q', '20mbps'), [['20mbps', '100mbps'], ['20mbps', '100mbps'], ['20mbps']]);
    await step(
      () => site.attach('back', 'p'),
      [['100mbps', '100mbps'], ['100mbps', '100mbps'], ['100mbps']],
    );
    await step(profile('p', ''), [[], [], []]);
    await step(profile('p', '30mbps'), [['30mbps', '30mbps'], ['30mbps', '30mbps'], ['30mbps']]);
    await step(() => site.attach('back', ''), [['30mbps'], ['30mbps'], []]);
    await step(() => site.attach('front', ''), [[], [], []]);
  });

  it('while a service that leads to it gets containers, loses others, checks and shares out otherwise', async () => {
    await openWith('shop', vip);
    await open.open(site);
    await serve(3, 'shop3', 104);
    await untilBehind('shop', ['shop1', 'shop2', 'shop3']);
    await open.goOn();
    for (const words of ['--affinity client', '--check tcp', '--affinity connection']) {
      await site.agents.ok(lab.host(1), [
        'service',
        'set',
        'shop',
        '-t',
        'blue',
        ...words.split(' '),
      ]);
      await open.goOn();
    }
    await untilBehind('shop', ['shop1', 'shop2', 'shop3']);
    await site.agents.ok(lab.host(1), ['service', 'set', 'shop', '-t', 'blue', '--check', '']);
    await dockerOk(lab.host(3), ['rm', '-f', 'shop3']);
    await untilBehind('shop', ['shop1', 'shop2']);
    await open.goOn();
  });

  it('while a service gets other ports and asks for others than it leads to', async () => {
    await openWith('shop', vip);
    await shop('-l app=shop -p 443:8444:TCP -p 81:8080:UDP');
    // nobody listens there
    await until('new ones go there', async () => {
      const plan = { to: vip, port: echo, mode: 'exchange', sizes: [64] } as const;
      const call = { ...plan, connectMs: 1_000, waitMs: 1_000 };
      const from: readonly Name[] = ['front1', 'front4'];
      const came = from.map((name) => callTcp(site.at(name), call));
      return (await Promise.all(came)).every(({ exchanges }) => exchanges === 0);
    });
    await open.goOn();
    await shop('-l app=lone -p 443:8443:TCP');
    await untilBehind('shop', ['lone1']);
    await open.goOn();
    await shop(ofShop);
    await untilBehind('shop', ['shop1', 'shop2']);
    await open.goOn();
  });
});

describe('what is open by a service', () => {
  it('ends with the container behind it; what is by another goes on', async () => {
    await typed(
      `service create -t blue -s db ${ofShop.replace('shop', 'lone')} --ip ${loneVip} lone`,
    );
    await untilBehind('lone', ['lone1']);
    const ends = await openWith('lone', loneVip);
    const rest = [...(await openWith('shop', vip)), ...(await open.open(site))];
    await dockerOk(lab.host(2), ['rm', '-f', 'lone1']);
    await Promise.all([open.end(ends), open.goOn(rest)]);
    await open.goOn(rest);
  });

  it('ends with the address of the service, and with the service; what is by its containers alone goes on', async () => {
    const [v4, v6] = addressesOf(101);
    const direct = [v4, v6].map(
      (to) => () =>
        OpenTalk.with(site.at('front4'), { to, protocol: 'tcp', port: 8443, what: `shop1 ${to}` }),
    );
    const rest = [...(await open.open(site)), ...(await open.add(direct))];
    const all = await openWith('shop', vip);
    const first = all.filter(({ what }) => what.includes(vip));
    const second = all.filter(({ what }) => !what.includes(vip));
    expect([first.length, second.length]).toEqual([4, 4]);
    await typed(`service create -t blue -s db ${ofShop} --ip 10.80.2.210 shop`);
    await Promise.all([open.end(first), open.goOn(rest)]);
    const moved = await openWith('shop', '10.80.2.210');
    await typed('service rm -t blue shop');
    await Promise.all([open.end([...second, ...moved]), open.goOn(rest)]);
    await open.goOn(rest);
  });
});

/** Between the second host and the third. */
const behindTheLeader: readonly Talk[] = [
  { client: 'front4', server: 'back5', family: 6, protocol: 'tcp', port: echo },
  { client: 'front4', server: 'back6', family: 4, protocol: 'tcp', port: echo },
  { client: 'data2', server: 'back6', family: 6, protocol: 'tcp', port: echo },
  { client: 'free7', server: 'data2', family: 4, protocol: 'udp', port: 80 },
  { client: 'back5', server: 'free7', family: 6, protocol: 'udp', port: 80 },
  { client: 'back6', server: 'data2', family: 6, protocol: 'icmp', port: 0 },
  { client: 'free7', server: 'front4', family: 4, protocol: 'icmp', port: 0 },
];

/** The name of the host that leads, as a host knows it. */
async function leaderBy(host: LabHost): Promise<string> {
  const said = await site.agents.ok(host, ['cluster', 'status', '--output', 'json']);
  const { leader, members } = JSON.parse(said) as {
    readonly leader: string;
    readonly members: readonly { readonly id: string; readonly name: string }[];
  };
  return members.find(({ id }) => id === leader)?.name ?? '';
}

describe('what is open between other hosts goes on', () => {
  it('while the host of the leader is cut off and its agent dies, another leads, and it is back', async () => {
    const [one, two] = [lab.host(1), lab.host(2)];
    expect(await leaderBy(two)).toBe(one.name);
    await open.open(site, behindTheLeader);
    await lab.site.isolate(one);
    await site.agents.kill(one);
    await until('another leads', async () => ['h2', 'h3'].includes(await leaderBy(two)));
    await untilCondition(two, 'PEER_UNREACHABLE', lookMs);
    await open.goOn();
    await netctlOk(two, 'network create -t blue -s 10.80.3.0/24 -g 10.80.3.254 late');
    await open.goOn();
    await lab.site.setCuts([]);
    await site.agents.start(one);
    await untilClear(two, 'PEER_UNREACHABLE', lookMs);
    await open.goOn();
  });

  it('while a host dies, is back, is removed, and joins anew', async () => {
    const [near, far] = [lab.host(1), lab.host(3)];
    await open.open(site);
    await shop(ofShop);
    await untilBehind('shop', ['shop1', 'shop2']);
    await openWith('shop', vip);
    // what is by the service is elsewhere, and others could be there
    await serve(3, 'shop3', 104);
    await untilBehind('shop', ['shop1', 'shop2', 'shop3']);
    await lab.site.crash(far);
    for (const host of [near, lab.host(2)]) await untilCondition(host, 'PEER_UNREACHABLE', lookMs);
    await open.goOn();
    const startAgent = async () => {
      // as a machine does: an engine waits for the plugin of each of its networks
      await until('its engine starts', () => far.daemon('dockerd'));
      await site.agents.start(far);
    };
    await Promise.all([lab.site.boot(far, { database: 'kept' }), startAgent()]);
    for (const host of [near, lab.host(2)]) await untilClear(host, 'PEER_UNREACHABLE', lookMs);
    await open.goOn();
    await site.agents.ok(near, ['cluster', 'remove', far.name]);
    await untilCondition(far, 'HOST_REMOVED', lookMs);
    await open.goOn();
    const said = await site.agents.ok(near, ['cluster', 'token', '--role', 'voter']);
    const token = /fairlead1\.[\w-]+/.exec(said)?.[0] ?? '';
    const advertise = ['--advertise', `${lab.site.addressesOf(far).ipv4}:8470`];
    await site.agents.ok(far, ['cluster', 'join', token, ...advertise]);
    await untilClear(far, 'HOST_REMOVED', lookMs);
    expect(await site.agents.ok(near, ['node', 'list'])).toContain(far.name);
    await open.goOn();
  });
});
