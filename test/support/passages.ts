/** Who reaches whom through the host's port, and what of it is left on the host. */
import type { LabHost } from '../lab/host.ts';
import type { Vantage } from '../lab/traffic/instrument.ts';
import { callTcp, serveTcp } from '../lab/traffic/tcp.ts';
import { heardFrom, listenUdp, sendUdp } from '../lab/traffic/udp.ts';
import { dockerOk } from './docker.ts';

/** A host as a place to send from. */
export const hostItself = (host: LabHost): Vantage => ({
  name: host.name,
  net: host.net,
  environment: host.environment,
});

/** The address that Docker tells of a container in a network. */
export function addressIn(host: LabHost, container: string, network: string): Promise<string> {
  const path = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  return dockerOk(host, ['inspect', '-f', path, container]);
}

/** Whom a server sees when a client calls it: its addresses for TCP and UDP, each if it came through. It may listen at
 *  another port than is called. */
export async function seenAs(
  client: Vantage,
  server: Vantage,
  {
    to,
    port,
    listens = port,
  }: { readonly to: string; readonly port: number; readonly listens?: number },
): Promise<{ readonly tcp: readonly string[]; readonly udp: readonly string[] }> {
  const tcpServer = await serveTcp(server, { port: listens, mode: 'sink' });
  const udpServer = await listenUdp(server, { port: listens, echo: true });
  await callTcp(client, { to, port, bytes: 200_000, connectMs: 1_000, waitMs: 2_000 });
  // a switch in user space may lose one of two packets that begin a connection at once
  const datagrams = { sizes: [20, 1_200], count: 5, everyMs: 10, echo: true, waitMs: 500 };
  const sent = await sendUdp(client, { to, port, ...datagrams });
  const { connections } = await tcpServer.stop();
  const heard = await udpServer.stop();
  const whole = connections.filter(({ received, damaged }) => received === 200_000 && !damaged);
  const senders = [...new Set(heard.senders.map(({ from }) => from))];
  return {
    tcp: whole.map(({ peer }) => peer),
    udp: senders.filter(
      (from) =>
        heardFrom(heard, from).damaged === 0 && Object.keys(sent.answeredSizes).length === 2,
    ),
  };
}

/** Whether a call by TCP comes through. */
export async function isAnswered(
  client: Vantage,
  server: Vantage,
  {
    to,
    port,
    listens = port,
  }: { readonly to: string; readonly port: number; readonly listens?: number },
): Promise<boolean> {
  const serving = await serveTcp(server, { port: listens, mode: 'sink' });
  const plan = { to, port, bytes: 1_000, connectMs: 700, waitMs: 700 };
  const { confirmed } = await callTcp(client, plan);
  await serving.stop();
  return confirmed === 1_000;
}

/**
 * Rules of the packet filter, addresses, routes and what is forwarded on a host, as sets of lines. Chains that are
 * built in and empty say nothing: iptables makes them when it looks.
 */
export async function hostListing(host: LabHost): Promise<readonly string[]> {
  const commands = [
    'iptables-save',
    'ip6tables-save',
    'ip route show table all; ip -6 route show table all',
    'ip -o address',
    'cd /proc/sys/net; grep -s . ipv4/ip_forward ipv4/conf/*/forwarding ipv6/conf/*/forwarding ipv6/conf/*/accept_ra',
  ];
  const listed: string[] = [];
  for (const command of commands) {
    const { stdout } = await host.exec(['sh', '-c', command]);
    const lines = stdout.replaceAll(/\[\d+:\d+\]/g, '').split('\n');
    listed.push(...lines.filter((line) => !/^(?:#.*|\*.*|COMMIT|:[A-Z]+ ACCEPT *|)$/.test(line)));
  }
  return listed.toSorted((one, other) => (one < other ? -1 : 1));
}
