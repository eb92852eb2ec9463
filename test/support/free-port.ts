/** Ports for servers that tests start. */
import { createServer, type ListenOptions } from 'node:net';

/** Below those that the kernel gives to connections: nothing takes one by chance while its server is down. */
const [first, last] = [10_000, 32_000];

/**
 * A port of loopback for this process alone: no other test is given it before this process ends, so a server on it may be
 * stopped and started again. What holds the claim is an abstract socket named after the port, unix(7): it is of the same
 * network namespace as the port and ends with its process, however that ends.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * (last - first));
    if (!(await canListen({ path: `\0fairlead-test-port-${port}` }, true))) continue;
    if (await canListen({ host: '127.0.0.1', port }, false)) return port;
  }
}

/** Several of them. */
export async function freePorts(count: number): Promise<readonly number[]> {
  return Promise.all(Array.from({ length: count }, freePort));
}

/** Whether nothing listens there; keeps the place to itself if it is to be kept. */
async function canListen(where: ListenOptions, isKept: boolean): Promise<boolean> {
  const server = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(where, () => resolve(true));
  });
  if (!isFree) return false;
  if (isKept) server.unref();
  else await new Promise((resolve) => server.close(resolve));
  return true;
}
