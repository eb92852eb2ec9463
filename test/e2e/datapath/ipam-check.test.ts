/**
 * `fairlead ipam check` on a real engine and a real switch: all agree on what was made in the ordinary way, and
 * each kind of difference that can be made behind the agent's back is found. The store is an etcd, whose rows
 * anybody can change.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bridgeName } from '../../../lib/datapath/bridge.ts';
import { tables } from '../../../lib/datapath/pipeline/fields.ts';
import type { AddressCheck } from '../../../lib/host/ipam-check.ts';
import type { HostProcess } from '../../lab/host.ts';
import { agentCommand, startAgent } from '../../support/agent-process.ts';
import { dockerOk, networkCommand } from '../../support/docker.ts';
import { hostEtcdUrl, startHostEtcd } from '../../support/host-etcd.ts';
import { labOfOneHost } from '../../support/lab-host.ts';
import { createShared, runContainer } from '../../support/shared-networks.ts';
import { until } from '../../support/until.ts';

const one = labOfOneHost();
let etcd: HostProcess;
let agent: HostProcess;

beforeAll(async () => {
  etcd = await startHostEtcd(one.host);
  agent = await startAgent(one.host, 'binary', { env: { FAIRLEAD_STORE: hostEtcdUrl } });
  await createShared([one.host], {
    name: 'web',
    tenant: 'blue',
    subnets: [
      ['10.50.1.0/24', '10.50.1.254'],
      ['fd50:1::/64', 'fd50:1::fe'],
    ],
  });
  await dockerOk(one.host, networkCommand('own', '--subnet', '10.9.0.0/24'));
  await runContainer(one.host, { name: 'web1', network: 'web.blue' });
  await runContainer(one.host, {
    name: 'web2',
    network: 'web.blue',
    options: ['--ip', '10.50.1.9'],
  });
  await runContainer(one.host, { name: 'own1', network: 'own' });
});
afterAll(async () => {
  await agent.stop();
  await etcd.stop();
});

async function check(): Promise<AddressCheck & { readonly code: number | null }> {
  const command = [...agentCommand('binary'), 'ipam', 'check', '-o', 'json'];
  const { code, stdout, stderr } = await one.host.exec(command, {
    env: one.host.agentEnvironment(),
  });
  if (stdout === '') throw new Error(stderr);
  return { ...(JSON.parse(stdout) as AddressCheck), code };
}
const kinds = async (): Promise<readonly string[]> =>
  (await check()).differences.map(({ kind, address }) => `${kind} ${address}`);
const allAgree = () =>
  until('all agree', async () => (await kinds()).length === 0, { timeoutMs: 90_000, everyMs: 500 });

/** Does something to the etcd: `path` and `body` of its JSON gateway. */
async function etcdCall(path: string, body: object): Promise<Record<string, unknown>> {
  const script = `fetch('http://127.0.0.1:2379/v3/kv/${path}', { method: 'POST', body: process.argv[1] })
    .then((a) => a.text()).then((t) => process.stdout.write(t), () => process.exit(1))`;
  const { code, stdout } = await one.host.exec([
    ...[process.execPath, '-e', script],
    JSON.stringify(body),
  ]);
  if (code !== 0) throw new Error(`etcd: ${path}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}
const base64 = (text: string): string => Buffer.from(text).toString('base64');

interface EtcdRow {
  readonly key: string;
  readonly value: string;
}
/** The only row whose key matches. */
async function rowOf(pattern: RegExp): Promise<EtcdRow> {
  const { kvs } = await etcdCall('range', { key: base64('\0'), range_end: base64('\0') });
  const plain = (text: string): string => Buffer.from(text, 'base64').toString();
  const rows = (kvs as readonly EtcdRow[])
    .map(({ key, value }) => ({ key: plain(key), value: plain(value) }))
    .filter(({ key }) => pattern.test(key));
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`${rows.length} rows are ${pattern}`);
  return row;
}
const drop = ({ key }: EtcdRow) => etcdCall('deleterange', { key: base64(key) });
const put = ({ key, value }: EtcdRow) =>
  etcdCall('put', { key: base64(key), value: base64(value) });

const hex = '0a320109';

it('all agree, in both families and both kinds of networks', async () => {
  expect(await check()).toMatchObject({
    code: 0,
    networks: 2,
    endpoints: 3,
    differences: [],
    unseen: [],
  });
});

it('containers of a group have its addresses and no others, and all agree on them', async () => {
  const pool = '--ip-pool=10.50.1.100-10.50.1.101';
  const command = ['netctl', 'group', 'create', '-t', 'blue', pool, 'web', 'shop'];
  const made = await one.host.exec([...agentCommand('binary'), ...command], {
    env: one.host.agentEnvironment(),
  });
  expect(made).toMatchObject({ code: 0 });
  await until('Docker has the network of the group', () =>
    dockerOk(one.host, ['network', 'inspect', 'shop/blue']),
  );
  const run = (name: string, ...options: string[]) =>
    runContainer(one.host, { name, network: 'shop/blue', options });
  const addressIn = (name: string) =>
    dockerOk(one.host, [
      'inspect',
      '-f',
      '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
      name,
    ]);
  await run('shop1');
  expect(await addressIn('shop1')).toBe('10.50.1.100');
  await expect(run('shop2', '--ip', '10.50.1.50')).rejects.toThrow('the pool of group shop');
  await dockerOk(one.host, ['rm', '-f', 'shop2']);
  await run('shop2', '--ip', '10.50.1.101');
  await expect(run('shop3')).rejects.toThrow('of group shop has no free address');
  await dockerOk(one.host, ['rm', '-f', 'shop3']);
  const other = { name: 'web3', network: 'web.blue', options: ['--ip', '10.50.1.100'] };
  await expect(runContainer(one.host, other)).rejects.toThrow('10.50.1.100');
  await dockerOk(one.host, ['rm', '-f', 'web3']);
  expect(await check()).toMatchObject({ code: 0, endpoints: 5, differences: [], unseen: [] });
});

it.each([
  ['owner', new RegExp(`/address/blue/web/${hex}$`), ['ENDPOINT_NOT_OWNER 10.50.1.9']],
  [
    'record',
    new RegExp(`/ipam/address/blue:web/.*/${hex}$`),
    ['ENDPOINT_NOT_RECORDED 10.50.1.9', 'NOTE_LEFT 10.50.1.9'],
  ],
  ['note', new RegExp(`/held/blue:web/.*/${hex}$`), ['NOTE_MISSING 10.50.1.9']],
] as const)('a lost %s is found', async (_what, pattern, expected) => {
  const row = await rowOf(pattern);
  await drop(row);
  expect(await kinds()).toEqual(expected);
  await put(row);
  await allAgree();
});

it('an owner of nothing is found', async () => {
  const row = await rowOf(new RegExp(`/address/blue/web/${hex}$`));
  const other = { ...row, key: row.key.replace(hex, '0a320163') };
  await put(other);
  expect(await kinds()).toEqual(['OWNER_WITHOUT_ENDPOINT 10.50.1.99']);
  await drop(other);
  await allAgree();
});

it('an address of nobody is found, and given back by itself', async () => {
  const note = await rowOf(new RegExp(`/held/blue:web/.*/${hex}$`));
  const record = await rowOf(new RegExp(`/ipam/address/blue:web/.*/${hex}$`));
  const to = ({ key, value }: EtcdRow): EtcdRow => {
    const { endpointId: _nobody, ...rest } = JSON.parse(value.replace('10.50.1.9', '10.50.1.98'));
    return { key: key.replace(hex, '0a320162'), value: JSON.stringify(rest) };
  };
  await put(to(note));
  await put(to(record));
  expect(await kinds()).toEqual(['RECORD_UNCLAIMED 10.50.1.98']);
  await allAgree();
});

it('another address by Docker than in the store is found', async () => {
  const id = await endpointOf('own1', 'own');
  const row = await rowOf(new RegExp(`/endpoint/[0-9a-f]{64}/${id}$`));
  await put({ ...row, value: row.value.replace('10.9.0.2/24', '10.9.0.77/24') });
  const found = await kinds();
  expect(found).toContain('DOCKER_ADDRESS 10.9.0.77');
  expect(found).toContain('ENDPOINT_NOT_OWNER 10.9.0.77');
  await put(row);
  await allAgree();
});

async function endpointOf(container: string, network: string): Promise<string> {
  const format = `{{(index .NetworkSettings.Networks "${network}").EndpointID}}`;
  return dockerOk(one.host, ['inspect', '-f', format, container]);
}

it('what is changed on the switch is put right before anybody can see it', async () => {
  const port = `fh-${(await endpointOf('own1', 'own')).slice(0, 12)}`;
  const at = `table=${tables.antiSpoof},priority=100,ip,in_port=${port},nw_src=10.9.0.77`;
  const command = ['add-flow', bridgeName, `${at},actions=drop`];
  const added = await one.host.exec(['ovs-ofctl', '-O', 'OpenFlow14', '--names', ...command]);
  expect(added).toMatchObject({ code: 0 });
  await allAgree();
});

it('a container without its link is found, and without its endpoint', async () => {
  const id = await endpointOf('own1', 'own');
  await one.host.exec(['ip', 'link', 'del', `fh-${id.slice(0, 12)}`]);
  await until(
    'the port is missed',
    async () => (await kinds()).join() === 'PORT_MISSING 10.9.0.2',
    { timeoutMs: 90_000, everyMs: 500 },
  );
  await drop(await rowOf(new RegExp(`/endpoint/[0-9a-f]{64}/${id}$`)));
  expect(await kinds()).toContain('DOCKER_ONLY 10.9.0.2');
  await dockerOk(one.host, ['rm', '-f', 'own1']);
});
