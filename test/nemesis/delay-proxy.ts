/**
 * A way around a link that takes longer: passes connections on and every byte after a delay, in order.
 *
 *     delay-proxy.ts DELAY_MS PORT=HOST:PORT…
 */
import { connect, createServer, type Socket } from 'node:net';

const [delay = '0', ...ways] = process.argv.slice(2);
const delayMs = Number(delay);

function pass(from: Socket, to: Socket): void {
  from.on('data', (chunk: Buffer) => {
    // timers of the same length fire in the order they were set
    setTimeout(() => {
      if (!to.destroyed) to.write(chunk);
    }, delayMs);
  });
  from.on('error', () => to.destroy());
  from.on('close', () => setTimeout(() => to.destroy(), delayMs));
}

for (const way of ways) {
  const [port = '', target = ''] = way.split('=');
  const [host = '', targetPort = ''] = target.split(':');
  const server = createServer((client) => {
    const upstream = connect({ host, port: Number(targetPort), noDelay: true });
    client.setNoDelay(true);
    pass(client, upstream);
    pass(upstream, client);
  });
  server.listen(Number(port));
}
