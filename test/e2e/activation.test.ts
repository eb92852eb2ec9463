/**
 * Socket activation: systemd holds the socket, the first call starts the agent, and no call is lost,
 * neither the first nor any during a restart. In each of the four forms.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { HostProcess } from '../lab/host.ts';
import { labOfOneHost } from '../support/lab-host.ts';
import {
  agentCommand,
  agentForms,
  pluginSocketOf,
  type AgentForm,
} from '../support/agent-process.ts';
import { openPluginClient } from '../support/plugin-client.ts';
import { until } from '../support/until.ts';

const one = labOfOneHost();

describe.each(agentForms)('the agent as %s, activated by its socket', (form) => {
  let process: HostProcess | undefined;

  afterEach(async () => {
    await process?.stop('SIGKILL');
    rmSync(pluginSocketOf(one.host), { force: true });
    rmSync(join(one.host.directory, 'agent'), { recursive: true, force: true });
  });

  it('answers the first call, and twenty that come at once with it', async () => {
    process = await activate(form);
    const clients = Array.from({ length: 20 }, () => openPluginClient(pluginSocketOf(one.host)));
    try {
      const answers = await Promise.all(
        clients.map((client, index) =>
          client.call(index % 2 === 0 ? '/Plugin.Activate' : '/NetworkDriver.GetCapabilities'),
        ),
      );
      expect(answers.map(({ status, body }) => [status, body['Err'] ?? ''])).toEqual(
        answers.map(() => [200, '']),
      );
      expect(answers[0]?.body).toEqual({ Implements: ['NetworkDriver', 'IpamDriver'] });
    } finally {
      for (const client of clients) client.close();
    }
  });

  it('works as ever, and leaves the socket file to systemd when it ends', async () => {
    process = await activate(form);
    const inode = statSync(pluginSocketOf(one.host)).ino;
    const client = openPluginClient(pluginSocketOf(one.host));
    try {
      const pool = await client.must('/IpamDriver.RequestPool', {
        AddressSpace: 'FairleadLocal',
        Pool: '10.97.0.0/24',
        SubPool: '',
        Options: {},
        V6: false,
      });
      expect(pool['Pool']).toBe('10.97.0.0/24');
      await client.must('/IpamDriver.ReleasePool', { PoolID: pool['PoolID'] });
    } finally {
      client.close();
    }
    await process.stop('SIGTERM');
    expect(statSync(pluginSocketOf(one.host)).ino).toBe(inode);
  });
});

/** Lets systemd's own tool hold the socket and start the agent at the first connection. */
async function activate(form: AgentForm): Promise<HostProcess> {
  const socket = pluginSocketOf(one.host);
  const passed = Object.entries(one.host.agentEnvironment()).flatMap(([name, value]) => [
    '--setenv',
    `${name}=${value}`,
  ]);
  const started = await one.host.spawnInHost(
    'systemd-socket-activate',
    ['--listen', socket, ...passed, ...agentCommand(form), 'agent'],
    { name: 'activated' },
  );
  await until('the socket is there', () => existsSync(socket));
  return started;
}
