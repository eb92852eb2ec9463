/** Sockets that listen, from the kernel's lists. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  listenersIn,
  readListeners,
  sctpListenersIn,
} from '../../../lib/datapath/outside/listeners.ts';

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid';
const rest = '00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000 100 0 0';

it('are those in the state of listening, at their addresses', () => {
  const text = [
    head,
    `   0: 0100007F:1F90 00000000:0000 0A ${rest}`,
    `   1: 0100007F:1F91 0100007F:1F90 01 ${rest}`,
    `  12: 00000000:0016 00000000:0000 0A ${rest}`,
    '',
  ].join('\n');
  expect(listenersIn(text, { protocol: 'tcp', state: '0A' })).toEqual([
    { protocol: 'tcp', address: '127.0.0.1', port: 8080 },
    { protocol: 'tcp', address: '0.0.0.0', port: 22 },
  ]);
});

it('are of IPv6, too, and those of IPv4 in such a list are told as that', () => {
  const nobody = '00000000000000000000000000000000:0000';
  const text = [
    head,
    `   0: 00000000000000000000000000000000:1F90 ${nobody} 07 ${rest}`,
    `   1: B80D0120000000000000000001000000:1F91 ${nobody} 07 ${rest}`,
    `   2: 0000000000000000FFFF00000100007F:1F92 ${nobody} 07 ${rest}`,
  ].join('\n');
  expect(listenersIn(text, { protocol: 'udp', state: '07' })).toEqual([
    { protocol: 'udp', address: '::', port: 8080 },
    { protocol: 'udp', address: '2001:db8::1', port: 8081 },
    { protocol: 'udp', address: '127.0.0.1', port: 8082 },
  ]);
});

it('are of SCTP with all their addresses', () => {
  const text = [
    ' ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS',
    '0000000000000000 0000000000000000 2   10  29   9000      0 12345 192.0.2.1 2001:db8::1 ',
    '0000000000000000 0000000000000000 2   7   29   9001      0 12346 192.0.2.1 ',
  ].join('\n');
  expect(sctpListenersIn(text)).toEqual([
    { protocol: 'sctp', address: '192.0.2.1', port: 9000 },
    { protocol: 'sctp', address: '2001:db8::1', port: 9000 },
  ]);
});

it('are none of a line of another form', () => {
  expect(() => listenersIn(`${head}\n 0: 00:16 0A`, { protocol: 'tcp', state: '0A' })).toThrow(
    /another form/,
  );
  expect(() => sctpListenersIn('head\nnonsense')).toThrow(/another form/);
});

it('are read from the kernel, where it has them', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  expect(await readListeners()).toContainEqual({ protocol: 'tcp', address: '127.0.0.1', port });
  server.close();
  const folder = mkdtempSync(join(tmpdir(), 'listeners-'));
  mkdirSync(join(folder, 'sctp'));
  writeFileSync(join(folder, 'tcp'), `${head}\n`);
  expect(await readListeners(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});
