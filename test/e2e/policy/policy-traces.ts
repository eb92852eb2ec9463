/**
 * What the switches say that they would do with the first packet of a talk (`ofproto/trace`, ovs-vswitchd(8)): on the
 * client's host, and on the server's if it is sent there. A trace asks no conntrack: it is told what that would say.
 */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { bridgeName } from '../../../lib/datapath/bridge.ts';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import { runControl } from '../../../lib/datapath/unix-control.ts';
import type { LabHost } from '../../lab/host.ts';
import { linkOf } from '../../lab/traffic/links.ts';
import { dockerOk } from '../../support/docker.ts';
import { addressOf, networkOf, type Name } from '../../support/policy-cast.ts';
import type { PolicySite } from '../../support/policy-site.ts';
import type { Talk } from '../../support/policy-words.ts';

/** A container's way into its switch. */
interface Place {
  readonly host: LabHost;
  readonly mac: string;
  readonly port: number;
}

const clientPort = 40_000;

/** Asks the switches of a site. */
export class PolicyTraces {
  readonly #site: PolicySite;
  readonly #places = new Map<Name, Place>();
  readonly #tunnels = new Map<string, number>();

  constructor(site: PolicySite) {
    this.#site = site;
  }

  /** The talks of which the switches say something else than the rules, by a plain reading. */
  async wrong(talks: readonly Talk[]): Promise<readonly string[]> {
    const wrong: string[] = [];
    for (const talk of talks) {
      const comes = await this.comes(talk);
      if (comes !== this.#site.isAllowed(talk)) {
        wrong.push(`${JSON.stringify(talk)} ${comes ? 'comes' : 'does not come'} by trace`);
      }
    }
    return wrong;
  }

  /** Whether the first packet of a talk comes to the server. */
  async comes(talk: Talk): Promise<boolean> {
    const [client, server] = [await this.#place(talk.client), await this.#place(talk.server)];
    const isNear = networkOf(talk.client) === networkOf(talk.server);
    const first = await this.#trace(client.host, {
      arrival: `in_port=${client.port}`,
      fromMac: client.mac,
      toMac: isNear ? server.mac : gatewayMac,
      ttl: 64,
      packet: packetText(talk),
    });
    if (server.host.name === client.host.name) return first.ports.includes(server.port);
    const sent = first.tunnelled;
    if (sent === undefined) return false;
    const tunnel = await this.#tunnel(server.host);
    const arrival = `in_port=${tunnel},tun_id=${sent.network},tun_src=${client.host.address},tun_dst=${sent.to}`;
    const { fromMac, toMac, ttl } = sent;
    const packet = packetText(talk);
    const second = await this.#trace(server.host, { arrival, fromMac, toMac, ttl, packet });
    return second.ports.includes(server.port);
  }

  async #place(name: Name): Promise<Place> {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const host = this.#site.hostOf(name);
    const format = '{{range .NetworkSettings.Networks}}{{.EndpointID}}{{end}}';
    const id = (await dockerOk(host, ['inspect', '-f', format, name])).trim();
    const port = await portNumber(host, `fh-${id.slice(0, 12)}`);
    const place = { host, mac: (await linkOf(this.#site.at(name))).mac, port };
    this.#places.set(name, place);
    return place;
  }

  async #tunnel(host: LabHost): Promise<number> {
    const port = this.#tunnels.get(host.name) ?? (await portNumber(host, 'fl-vxlan'));
    this.#tunnels.set(host.name, port);
    return port;
  }

  async #trace(host: LabHost, { arrival, fromMac, toMac, ttl, packet }: Arrival): Promise<Outcome> {
    const path = join(dirname(host.ovsDb), 'ovs-vswitchd.ctl');
    const flow = `${arrival},dl_src=${fromMac},dl_dst=${toMac},${packet},nw_ttl=${ttl}`;
    const text = await runControl(path, 'ofproto/trace', [bridgeName, flow]);
    return readTrace(text, { fromMac, toMac, ttl, tunnel: await this.#tunnel(host) });
  }
}

interface Ends {
  readonly fromMac: string;
  readonly toMac: string;
  readonly ttl: number;
}

interface Arrival extends Ends {
  /** Port, and where it came from by a tunnel. */
  readonly arrival: string;
  readonly packet: string;
}

interface Outcome {
  readonly ports: readonly number[];
  readonly tunnelled: (Ends & { readonly to: string; readonly network: string }) | undefined;
}

async function portNumber(host: LabHost, link: string): Promise<number> {
  const { stdout } = await host.ovsVsctl(['get', 'interface', link, 'ofport']);
  return z.coerce.number().int().positive().parse(stdout.trim());
}

const protocolNumbers = { tcp: [6, 6], udp: [17, 17], icmp: [1, 58] } as const;

/** The first packet, and what conntrack would say of it. */
function packetText({ client, server, family, protocol, port }: Talk): string {
  const [from, to] = [addressOf(client, family), addressOf(server, family)];
  const suffix = family === 4 ? '' : '6';
  const [source, target] = family === 4 ? ['nw_src', 'nw_dst'] : ['ipv6_src', 'ipv6_dst'];
  const number = protocolNumbers[protocol][family === 4 ? 0 : 1];
  const type = { 4: 'icmp_type=8,icmp_code=0', 6: 'icmpv6_type=128,icmpv6_code=0' }[family];
  const above =
    protocol === 'icmp' ? type : `${protocol}_src=${clientPort},${protocol}_dst=${port}`;
  // an echo counts as a port of its type (ovs-fields(7), "ct_tp_src")
  const [first, last] = protocol === 'icmp' ? [family === 4 ? 8 : 128, 0] : [clientPort, port];
  const seen = `ct_state=trk|new,ct_${source}=${from},ct_${target}=${to},ct_nw_proto=${number},ct_tp_src=${first},ct_tp_dst=${last}`;
  return `${protocol}${suffix},${source}=${from},${target}=${to},${above},${seen}`;
}

/** Reads what is printed, line by line: writes to fields come before the outputs that they are for. */
function readTrace(text: string, { tunnel, ...ends }: Ends & { readonly tunnel: number }): Outcome {
  const ports: number[] = [];
  let tunnelled: Outcome['tunnelled'];
  let { fromMac, toMac, ttl } = ends;
  let [to, network] = ['', ''];
  for (const line of text.split('\n').map((each) => each.trim())) {
    const [, value = '', field] = /^set_field:(\S+)->(\w+)$/.exec(line) ?? [];
    if (field === 'tun_dst') to = value;
    if (field === 'tun_id') network = value;
    if (field === 'eth_src') fromMac = value;
    if (field === 'eth_dst') toMac = value;
    if (line === 'dec_ttl') ttl -= 1;
    const port = /^-> output port is (\d+)$/.exec(line)?.[1];
    if (port !== undefined) ports.push(Number(port));
    if (line === `output:${tunnel}`) tunnelled = { to, network, fromMac, toMac, ttl };
  }
  return { ports, tunnelled };
}
