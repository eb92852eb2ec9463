/** Fairlead as a managed plugin of a real engine, in both ways, under names that operators give. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run as runCommand } from '../../lab/run.ts';
import type { HostProcess } from '../../lab/host.ts';
import { binaryPath, startAgent } from '../../support/agent-process.ts';
import { dockerOk, removeContainers } from '../../support/docker.ts';
import { labOfOneHost } from '../../support/lab-host.ts';
import {
  makePlugin,
  managedEnvironment,
  pluginFolder,
  placesOf,
} from '../../support/managed-plugin.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { addressOf, pings } from '../../support/ping.ts';

const one = labOfOneHost();
const name = 'site/net:1';
const docker = (...args: string[]) => dockerOk(one.host, args);
const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await one.host.docker(args, { timeoutMs: 120_000 });
  expect(code).not.toBe(0);
  return stderr;
};
const local = ['FAIRLEAD_PLUGIN_SCOPE=local', 'CONTIV_ROLE=netplugin'];
const networkOf = (driver: string, network: string, ...args: string[]) =>
  docker('network', 'create', '-d', driver, '--ipam-driver', driver, ...args, network);
const run = (container: string, network: string) =>
  runContainer(one.host, { name: container, network });

/** Pings ten times a second while something is done; answers how many were lost before the last that came. */
async function lostWhile(from: string, to: string, work: () => Promise<void>): Promise<number> {
  await docker('exec', from, 'rm', '-f', '/tmp/enough');
  const script = `ping -i 0.1 ${to} & until [ -e /tmp/enough ]; do sleep 0.1; done; kill $!`;
  const pinging = docker('exec', from, 'sh', '-c', script);
  await work();
  await docker('exec', from, 'touch', '/tmp/enough');
  const came = [...(await pinging).matchAll(/seq=(\d+) /g)].map(([, number]) => Number(number));
  expect(came.length).toBeGreaterThan(5);
  return Math.max(...came) + 1 - new Set(came).size;
}

describe('a plugin that hands calls to the agent of the host', () => {
  let agent: HostProcess;

  beforeAll(async () => {
    agent = await startAgent(one.host, 'binary', { env: managedEnvironment(one.host) });
    await makePlugin(one.host, name, local);
  });
  afterAll(async () => {
    await removeContainers(one.host);
    await docker('network', 'rm', 'blue');
    await agent.stop();
  });

  test('serves networks under the name that it was given', async () => {
    await networkOf(name, 'blue', '--subnet', '10.20.0.0/24');
    await run('anna', 'blue');
    await run('ben', 'blue');
    const ben = await addressOf(one.host, 'ben', 'blue');
    expect(ben).toMatch(/^10\.20\.0\./);
    expect(await pings(one.host, 'anna', ben)).toBe(true);
    expect(await pings(one.host, 'anna', 'ben')).toBe(true);
    expect(await refused('plugin', 'disable', name)).toContain('in use');
  });

  test('keeps calls waiting while the agent is exchanged; containers notice neither', async () => {
    const ben = await addressOf(one.host, 'ben', 'blue');
    const lost = await lostWhile('anna', ben, async () => {
      await agent.stop('SIGKILL');
      const [, started] = await Promise.all([
        run('carl', 'blue'),
        startAgent(one.host, 'binary', { env: managedEnvironment(one.host) }),
      ]);
      agent = started;
    });
    expect(lost).toBe(0);
    expect(await pings(one.host, 'carl', ben)).toBe(true);
  });

  test('is exchanged for another while the agent stays, and finds its networks by its name', async () => {
    const ben = await addressOf(one.host, 'ben', 'blue');
    const lost = await lostWhile('anna', ben, async () => {
      await docker('plugin', 'disable', '-f', name);
      await docker('plugin', 'rm', '-f', name);
      await makePlugin(one.host, name, local);
    });
    expect(lost).toBe(0);
    expect(agent.isAlive()).toBe(true);
    await run('dora', 'blue');
    expect(await pings(one.host, 'dora', ben)).toBe(true);
    await docker('rm', '-f', 'dora', 'carl');
  });

  test('stands beside one of another name; the same files under a second name are refused', async () => {
    const folder = await pluginFolder(one.host, 'second');
    await docker('plugin', 'create', 'second', folder);
    expect(await refused('plugin', 'create', 'third', folder)).toContain('already exists');
    await docker('plugin', 'set', 'second', ...placesOf(one.host, 'shim'), ...local);
    await docker('plugin', 'enable', 'second');
    await networkOf('second:latest', 'green', '--subnet', '10.21.0.0/24');
    await run('emil', 'green');
    // the sweep knows both
    await docker('rm', '-f', 'emil');
    await docker('network', 'rm', 'green');
    await docker('plugin', 'disable', 'second');
    await docker('plugin', 'rm', 'second');
    rmSync(folder, { recursive: true });
  });

  test('says of a folder that cannot work what the engine does not', async () => {
    const folder = await pluginFolder(one.host, 'wrong');
    const check = async (): Promise<string> =>
      (await runCommand([binaryPath, 'plugin', 'check', folder])).stdout;
    expect(await check()).toContain('nothing is wrong');
    const config = readFileSync(join(folder, 'config.json'), 'utf8');
    writeFileSync(join(folder, 'config.json'), config.replace('fairlead.sock', 'elsewhere.sock'));
    expect(await check()).toContain('looks for elsewhere.sock');
    await docker('plugin', 'create', 'wrong', folder);
    await docker('plugin', 'set', 'wrong', ...placesOf(one.host, 'shim'));
    expect(await refused('plugin', 'enable', 'wrong')).toContain('no such file or directory');
    await docker('plugin', 'rm', '-f', 'wrong');
    rmSync(folder, { recursive: true });
  });

  test('cannot be started anywhere else', async () => {
    const { code, stderr } = await one.host.exec([binaryPath, 'plugin', 'run']);
    expect(code).toBe(3);
    expect(stderr).toContain('PLUGIN_PLACE');
  });
});

describe('a plugin with the agent inside', () => {
  test('needs nothing of the host but its links, Open vSwitch, Docker and a folder', async () => {
    const data = join(one.host.directory, 'agent', 'data');
    rmSync(data, { recursive: true, force: true });
    mkdirSync(data, { recursive: true });
    await makePlugin(one.host, 'whole', local, 'agent');
    await networkOf('whole:latest', 'red', '--subnet', '10.22.0.0/24');
    await run('fred', 'red');
    await run('gina', 'red');
    const gina = await addressOf(one.host, 'gina', 'red');
    expect(await pings(one.host, 'fred', gina)).toBe(true);
    await removeContainers(one.host);
    await docker('network', 'rm', 'red');
    await docker('plugin', 'disable', 'whole');
    await docker('plugin', 'rm', 'whole');
  });
});
