/** Things of others beside our bridge and tunnel: they are said, nothing of theirs is touched, and traffic goes on. */
import { beforeAll, expect, it } from 'vitest';
import type { LabHost } from '../../lab/host.ts';
import { runOk } from '../../lab/run.ts';
import { untilReaches } from '../../lab/traffic/pings.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { conditionsOf, untilClear, untilCondition } from '../../support/conditions.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';

const lab = labOfSite(2);
/** What no event tells of is seen with the next look. */
const lookMs = 60_000;
const tunnel = 'fl-vxlan';
const flowBased = ['options:remote_ip=flow', 'options:key=flow', 'options:dst_port=4789'];

beforeAll(async () => {
  await SiteAgents.start(lab.hosts, { form: 'binary' });
  await createShared(lab.hosts, {
    name: 'web',
    tenant: 'blue',
    subnets: [['10.70.1.0/24', '10.70.1.254']],
  });
  for (const [n, host] of lab.hosts.entries()) {
    const options = ['--ip', `10.70.1.${n + 1}`];
    await runContainer(host, { name: `c${n + 1}`, network: 'web.blue', options });
  }
}, 240_000);

const carries = async (): Promise<void> =>
  untilReaches(await containerOf(lab.host(1), 'c1'), '10.70.1.2');

async function vsctl(host: LabHost, ...command: string[]): Promise<string> {
  const { code, stdout, stderr } = await host.ovsVsctl(command);
  if (code !== 0) throw new Error(`ovs-vsctl ${command.join(' ')}: ${stderr}`);
  return stdout.trim();
}
const numberOf = (host: LabHost, port: string) => vsctl(host, 'get', 'interface', port, 'ofport');

it('a port of others on our bridge is named, left alone, and gets nothing', async () => {
  await carries();
  const host = lab.host(1);
  const add = ['add-port', 'br-fairlead', 'alien0', '--', 'set', 'interface', 'alien0'];
  await vsctl(host, ...add, 'type=internal');
  expect(await untilCondition(host, 'FOREIGN_PORTS', lookMs)).toContain('alien0');
  await runOk(['ip', '-netns', host.namespace, 'link', 'set', 'alien0', 'up']);
  const sent = ['get', 'interface', 'alien0', 'statistics:tx_packets'];
  const before = await vsctl(host, ...sent);
  // a host that is not there: a question to all of the network
  const from = await containerOf(host, 'c1');
  await runOk(['nsenter', `--net=${from.net}`, 'ping', '-b', '-c', '3', '10.70.1.255']).catch(
    () => undefined,
  );
  await carries();
  expect(await vsctl(host, ...sent)).toBe(before);
  await vsctl(host, 'del-port', 'br-fairlead', 'alien0');
  await untilClear(host, 'FOREIGN_PORTS', lookMs);
});

it('a port of others with the number of our tunnel makes the tunnel take another', async () => {
  const host = lab.host(1);
  await carries();
  const before = await numberOf(host, tunnel);
  await vsctl(
    host,
    ...['del-port', 'br-fairlead', tunnel, '--', 'add-port', 'br-fairlead', 'alien1', '--'],
    ...['set', 'interface', 'alien1', 'type=internal', `ofport_request=${before}`],
  );
  expect(await untilCondition(host, 'FOREIGN_PORTS', lookMs)).toContain('alien1');
  await carries();
  expect(await numberOf(host, 'alien1')).toBe(before);
  expect(await numberOf(host, tunnel)).not.toBe(before);
  await vsctl(host, 'del-port', 'br-fairlead', 'alien1');
  await untilClear(host, 'FOREIGN_PORTS', lookMs);
  await carries();
});

it('a tunnel of another bridge that was faster is named, and ours works when it is gone', async () => {
  const host = lab.host(1);
  await vsctl(
    host,
    ...['del-port', 'br-fairlead', tunnel, '--', 'add-port', 'br-phy', 'rival', '--'],
    ...['set', 'interface', 'rival', 'type=vxlan', ...flowBased],
  );
  const said = await untilCondition(host, 'TUNNEL_FAILED', lookMs);
  expect(said).toContain('port rival of bridge br-phy');
  expect(said).toContain('--vxlan-port');
  await vsctl(host, 'del-port', 'br-phy', 'rival');
  await untilClear(host, 'TUNNEL_FAILED', lookMs);
  await untilClear(host, 'TUNNEL_PORT_SHARED', lookMs);
  await carries();
});

it('a tunnel of the kernel on our UDP port is named', async () => {
  const host = lab.host(2);
  const link = (...words: string[]) => runOk(['ip', '-netns', host.namespace, 'link', ...words]);
  await link('add', 'vx9', 'type', 'vxlan', 'id', '9', 'dstport', '4789', 'local', host.address);
  expect(await untilCondition(host, 'TUNNEL_PORT_SHARED', lookMs)).toContain(
    'link vx9 of the kernel',
  );
  await carries();
  await link('del', 'vx9');
  await untilClear(host, 'TUNNEL_PORT_SHARED', lookMs);
  for (const one of lab.hosts) expect([...(await conditionsOf(one)).keys()]).toEqual([]);
});
