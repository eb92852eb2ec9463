/** Docker finds the agent by a discovery file, when its socket is not in the plugin folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { labOfOneHost } from '../support/lab-host.ts';
import { startAgent } from '../support/agent-process.ts';
import { dockerOk } from '../support/docker.ts';

const one = labOfOneHost();

describe.each(['spec', 'json'])('a .%s file', (kind) => {
  it('leads Docker to the socket, and goes with the agent', async () => {
    const name = `by-${kind}`;
    const file = join(one.host.directory, 'etc-docker', 'plugins', `${name}.${kind}`);
    const agent = await startAgent(one.host, 'binary', {
      env: {
        FAIRLEAD_PLUGIN_NAME: name,
        FAIRLEAD_PLUGIN_SOCKET: join(one.host.directory, 'agent', 'plugin.sock'),
        FAIRLEAD_DISCOVERY_FILE: file,
      },
    });
    try {
      const create = ['network', 'create', '-d', name, '--ipam-driver', name, 'found'];
      await dockerOk(one.host, create);
      await dockerOk(one.host, ['network', 'rm', 'found']);
    } finally {
      await agent.stop();
    }
    expect(existsSync(file)).toBe(false);
  });
});
