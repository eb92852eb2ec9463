/** Sites of other kinds: jumbo frames, bonds, a plain bridge; what cannot be, and what a dead test has left. */
import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { vsctlOk } from '../support/ovs.ts';
import { openLab } from './lab.ts';
import { remainsOf } from './remains.ts';
import { runOk } from './run.ts';
import type { SiteWish } from './site/plan.ts';
import { addStandIn } from './site/stand-in.ts';
import { lostOf, ping, untilReaches } from './traffic/pings.ts';
import { waitFor } from './wait.ts';

const machines: SiteWish['machines'] = [{ name: 'shop', links: [{ vlan: 10 }] }];

test('jumbo frames and a bond with LACP, which goes on when a member is cut', async () => {
  const lab = openLab();
  const wish: SiteWish = {
    docker: false,
    mtu: 9000,
    bond: 'lacp',
    machines: [{ name: 'shop', links: [{ vlan: 10, addresses: ['10.10.0.1/24'] }] }],
  };
  try {
    const [one, two] = await lab.up(2, { site: wish });
    if (one === undefined || two === undefined) throw new Error('there are two hosts');
    const jumbo = { to: two.address, size: 8972, fragments: 'never' } as const;
    expect(lostOf(await ping(one, jumbo))).toBe(0);
    const bond = 'lacp=active bond_mode=balance-tcp other_config:lacp-time=fast';
    await vsctlOk(one, 'add-br br-up -- set bridge br-up datapath_type=netdev');
    await vsctlOk(one, `add-bond br-up bond0 eth1 eth2 ${bond}`);
    const shop = await addStandIn(one, {
      name: 'box',
      bridge: 'br-up',
      addresses: ['10.10.0.2/24'],
      mtu: 9000,
    });
    await vsctlOk(one, `set port ${shop.port} tag=10`);
    await untilReaches(shop, '10.10.0.1');
    expect(await lab.site.switch.appctl(['lacp/show', 'h1bond'])).toContain('active negotiated');
    for (const nic of ['eth1', 'eth2'] as const) {
      await lab.site.setLink(one, nic, 'down');
      await untilReaches(shop, '10.10.0.1');
      await lab.site.setLink(one, nic, 'up');
      await waitFor({ what: 'both members', timeoutMs: 10_000 }, async () => {
        const text = await lab.site.switch.appctl(['bond/show', 'h1bond']);
        return text.match(/: enabled/g)?.length === 2;
      });
    }
  } finally {
    await lab.down();
  }
  expect(remainsOf(lab)).toEqual([]);
});

test('a plain bridge passes tags untouched', async () => {
  const lab = openLab();
  const wish: SiteWish = { docker: false, switch: 'bridge', bond: 'active-backup' };
  try {
    const hosts = await lab.up(2, { site: wish });
    const boxes = await Promise.all(
      hosts.map(async (host) => {
        await vsctlOk(host, 'add-br br-up -- set bridge br-up datapath_type=netdev');
        await vsctlOk(host, 'add-bond br-up bond0 eth1 eth2 bond_mode=active-backup');
        const addresses = [`10.10.0.${host.place.number}/24`];
        const plan = { name: 'box', bridge: 'br-up', addresses, mtu: 1500 };
        const box = await addStandIn(host, plan);
        await vsctlOk(host, `set port ${box.port} tag=4094`);
        return box;
      }),
    );
    const [near] = boxes;
    if (near === undefined) throw new Error('there are two');
    await untilReaches(near, '10.10.0.2');
  } finally {
    await lab.down();
  }
});

test('what cannot be is refused before anything is built', async () => {
  const lab = openLab();
  const lacp = lab.up(1, { site: { switch: 'bridge', bond: 'lacp' } });
  await expect(lacp).rejects.toThrow('no LACP');
  const access = lab.up(1, { site: { switch: 'bridge', machines } });
  await expect(access).rejects.toThrow('no access ports');
  expect(remainsOf(lab)).toEqual([]);
});

test('what a killed test has left is removed by the next', async () => {
  const script = `
    const { openLab } = await import('./test/lab/lab.ts');
    const lab = openLab();
    console.log(lab.prefix);
    await lab.up(1, { site: { docker: false } });
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  let prefix = '';
  child.stdout.on('data', (chunk: Buffer) => (prefix += chunk.toString()));
  const signal = await new Promise((resolve) => child.once('close', (_, by) => resolve(by)));
  expect(signal).toBe('SIGKILL');
  const left = openLab({ prefix: prefix.trim() });
  expect(remainsOf(left).length).toBeGreaterThan(3);
  const next = openLab();
  await next.up(1, { site: { docker: false } });
  expect(remainsOf(left)).toEqual([]);
  await next.down();
  expect(await runOk(['ip', 'netns', 'list'])).not.toContain(next.prefix);
});
