import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { freePort, freePorts } from './free-port.ts';

/** Asks a process of its own which of these ports it would be given. */
async function claimed(ports: readonly number[]): Promise<readonly number[]> {
  const program = `
    const net = require('node:net');
    const ask = (port) => new Promise((resolve) => {
      const server = net.createServer();
      server.once('error', () => resolve(port));
      server.listen({ path: '\\0fairlead-test-port-' + port }, () => server.close(() => resolve()));
    });
    Promise.all(${JSON.stringify(ports)}.map(ask)).then((all) => console.log(JSON.stringify(all)));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program]);
  return (JSON.parse(stdout) as readonly (number | null)[]).filter((port) => port !== null);
}

it('a port is given to one test only, also while its server is down', async () => {
  const ports = await freePorts(50);
  expect(new Set(ports).size).toBe(50);
  const never = 32_001;
  expect(await claimed([...ports, never])).toEqual(ports);
});

it('a port that is given can be listened on, again and again', async () => {
  const port = await freePort();
  for (let round = 0; round < 3; round += 1) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    await new Promise((resolve) => server.close(resolve));
  }
});
