/** Who hears a packet by `ofproto/trace`: asked on the sender's host, and on every host that it is sent on to. */
import { dirname, join } from 'node:path';
import { bridgeName } from '../../../../lib/datapath/bridge.ts';
import { cookieKinds, readCookie } from '../../../../lib/datapath/pipeline/fields.ts';
import { runControl } from '../../../../lib/datapath/unix-control.ts';
import { traceFlow, type Asked, type TraceFlow } from './questions.ts';
import { portsOf, type Rig, type RigHost } from './rig.ts';
import type { Hearers } from './who-hears.ts';
import { endpointId, type World } from './world.ts';

/** What a switch does with a packet. */
interface Outcome {
  /** As it was printed. */
  readonly text: string;
  readonly ports: readonly number[];
  readonly tunnelled: readonly {
    readonly to: string;
    readonly network: string;
    readonly flow: TraceFlow;
  }[];
  readonly isAnswered: boolean;
  readonly isTold: boolean;
}

/** Who hears it, and what was printed on the way. */
export interface Traced {
  readonly hearers: Hearers;
  readonly texts: readonly string[];
}

/** Traces it. */
export async function tracedHearers(rig: Rig, world: World, asked: Asked): Promise<Traced> {
  const sender = rig.host(asked.from.host);
  const port = portsOf(sender).get(endpointId(asked.from));
  const flow = traceFlow(world, asked);
  const first = await trace(sender, `in_port=${port}`, flow);
  const hearers = namesOf(world, sender, first.ports);
  const texts = [first.text];
  if (first.isAnswered) hearers.push('self');
  if (first.isTold) hearers.push('agent');
  for (const { to, network, flow: sent } of first.tunnelled) {
    const [name] = [...world.nodes].find(([, { vtep }]) => vtep === to) ?? [`nobody at ${to}`];
    if (!rig.hosts.some(({ host }) => host.name === name)) {
      hearers.push(`ghost:${name}`);
      continue;
    }
    const receiver = rig.host(name);
    const arrival = `in_port=${tunnelPortOf(receiver)},tun_id=${network},tun_src=${sender.host.address},tun_dst=${to}`;
    const { ports, tunnelled, isAnswered, isTold, text } = await trace(receiver, arrival, sent);
    texts.push(text);
    hearers.push(...namesOf(world, receiver, ports));
    // what comes from a host is for containers only
    if (tunnelled.length > 0 || isAnswered || isTold) hearers.push(`sent on by ${name}`);
  }
  return { hearers: hearers.toSorted(), texts };
}

function namesOf(world: World, host: RigHost, ports: readonly number[]): string[] {
  const ids = new Map([...portsOf(host)].map(([id, port]) => [port, id]));
  return ports.map((port) => {
    const id = ids.get(port);
    const found = [...world.endpoints.values()].find((each) => endpointId(each) === id);
    return found === undefined ? `port ${port} of ${host.host.name}` : `c${found.number}`;
  });
}

/** The OpenFlow number of a host's tunnel; 0 without one, and while the switch has not given it one. */
export function tunnelPortOf({ ovsdb }: RigHost): number {
  const row = [...ovsdb.rows('Interface').values()].find(({ name }) => name === 'fl-vxlan');
  return Math.max(0, row?.ofport ?? 0);
}

async function trace(host: RigHost, arrival: string, flow: TraceFlow): Promise<Outcome> {
  const { fromMac, toMac, ttl, rest } = flow;
  const hops = ttl === 0 ? '' : `,nw_ttl=${ttl}`;
  const path = join(dirname(host.host.ovsDb), 'ovs-vswitchd.ctl');
  const packet = `${arrival},dl_src=${fromMac},dl_dst=${toMac},${rest}${hops}`;
  const text = await runControl(path, 'ofproto/trace', [bridgeName, packet]);
  return { ...read(text, flow, tunnelPortOf(host)), text };
}

/** Reads what ovs-vswitchd prints, line by line: writes to fields come before the outputs that they are for. */
function read(text: string, flow: TraceFlow, tunnel: number): Omit<Outcome, 'text'> {
  const ports: number[] = [];
  const tunnelled: { to: string; network: string; flow: TraceFlow }[] = [];
  let [isAnswered, isTold] = [false, false];
  let kind: number | undefined;
  let { fromMac, toMac, ttl } = flow;
  let [to, network] = ['', ''];
  for (const line of text.split('\n').map((each) => each.trim())) {
    const cookie = / cookie (0x[0-9a-f]+)$/.exec(line)?.[1];
    if (cookie !== undefined) kind = readCookie(BigInt(cookie))?.kind;
    // where a packet is measured, a trace goes both ways: that of a larger one, too
    if (kind === cookieKinds.tooBig) continue;
    const [, value = '', field] = /^set_field:(\S+)->(\w+)$/.exec(line) ?? [];
    if (field === 'tun_dst' || field === 'tun_ipv6_dst') to = value;
    if (field === 'tun_id') network = value;
    if (field === 'eth_src') fromMac = value;
    if (field === 'eth_dst') toMac = value;
    if (line === 'dec_ttl') ttl -= 1;
    const port = /^-> output port is (\d+)$/.exec(line)?.[1];
    if (port !== undefined) ports.push(Number(port));
    if (line === '>> skipping output to input port') ports.pop();
    if (line === `output:${tunnel}`) {
      tunnelled.push({ to, network, flow: { ...flow, fromMac, toMac, ttl } });
    }
    if (line === 'IN_PORT') isAnswered = true;
    if (/^(?:CONTROLLER|controller\()/.test(line)) isTold = true;
    if (line.startsWith('Datapath actions')) break;
  }
  return { ports, tunnelled, isAnswered, isTold };
}
