/** Docker finds the agent by a discovery file, when its socket is not in the plugin folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LabHost } from '../lab/host.ts';
import { openLab } from '../lab/lab.ts';
import { startAgent } from '../support/agent-process.ts';
import { dockerOk } from '../support/ping.ts';

const lab = openLab();
let host: LabHost;

beforeAll(async () => {
  const [first] = await lab.up(1);
  if (first === undefined) throw new Error('the lab has no host');
  host = first;
});
afterAll(() => lab.down());

describe.each(['spec', 'json'])('a .%s file', (kind) => {
  it('leads Docker to the socket, and goes with the agent', async () => {
    const name = `by-${kind}`;
    const file = join(host.directory, 'etc-docker', 'plugins', `${name}.${kind}`);
    const agent = await startAgent(host, 'binary', {
      env: {
        FAIRLEAD_PLUGIN_NAME: name,
        FAIRLEAD_PLUGIN_SOCKET: join(host.directory, 'agent', 'plugin.sock'),
        FAIRLEAD_DISCOVERY_FILE: file,
      },
    });
    try {
      const create = ['network', 'create', '-d', name, '--ipam-driver', name, 'found'];
      await dockerOk(host, create);
      await dockerOk(host, ['network', 'rm', 'found']);
    } finally {
      await agent.stop();
    }
    expect(existsSync(file)).toBe(false);
  });
});
