/**
 * The underlay of a site: the bridge of the outside, a cable to every host, and on each host the bridge
 * `br-phy` that a site's operator would have made. In the userspace datapath a tunnel leaves through a
 * bridge of Open vSwitch only: its endpoint's address has to be on the local port of one that holds the NIC.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { gatewayAddress } from '../namespaces.ts';
import { vsctl } from '../ovs.ts';
import { labNames, type HostPlace } from '../place.ts';
import { runOk } from '../run.ts';
import { waitFor } from '../wait.ts';
import { cutCable, inNamespace, ipBatch, layCable } from './cable.ts';
import { labDatapath } from '../datapath.ts';
import type { SitePlan } from './plan.ts';

/** The operator's bridge on every host. It is foreign to the agent. */
export const phyBridge = 'br-phy';
/** The host's NIC on the underlay. */
export const underlayNic = 'eth0';
/** The outside's IPv6 address on the underlay: gateway of every host. */
export const gatewayAddress6 = 'fd00:198:18::254';
/** An IPv6 address that only the outside has. */
export const outsideAddress6 = 'fd00:198:51::1';

const underlay = 'underlay';
const addressesSchema = z.object({ ipv4: z.string(), ipv6: z.string() });

/** Where a host is reached on the underlay: /24 and /64. */
export type UnderlayAddresses = z.infer<typeof addressesSchema>;

const addressesFile = (place: HostPlace) => join(place.directory, 'underlay.json');
const portOf = (place: HostPlace) => place.name;

/** The addresses a host has now, or has when it comes up. */
export function addressesOf(place: HostPlace): UnderlayAddresses {
  const file = addressesFile(place);
  if (!existsSync(file)) return { ipv4: place.address, ipv6: `fd00:198:18::${place.number}` };
  return addressesSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/** Gives the outside what a site needs: its MTU and IPv6. */
export async function widenOutside(outside: string, plan: SitePlan): Promise<void> {
  await ipBatch(outside, [
    `link set ${underlay} mtu ${plan.mtu}`,
    `address add ${outsideAddress6}/128 dev lo nodad`,
    `address add ${gatewayAddress6}/64 dev ${underlay} nodad`,
  ]);
}

/** Lays the cable from the underlay to a host. */
export async function plugUnderlay(place: HostPlace, plan: SitePlan): Promise<void> {
  const { outside } = labNames(place.prefix);
  const from = { namespace: outside, link: portOf(place) };
  await layCable({ from, to: { namespace: place.namespace, link: underlayNic }, mtu: plan.mtu });
  await ipBatch(outside, [`link set ${portOf(place)} master ${underlay}`]);
  // the kernel's switch takes frames away from the kernel, but behind the place where this drops them
  if ((await labDatapath()) === 'system') return;
  // a switch in user space gets copies: without this the kernel takes every frame a second time, and answers
  // with the NIC's own MAC who asks for the host
  const chain = `chain ingress { type filter hook ingress device ${underlayNic} priority 0; drop; }\n`;
  const deaf = [...inNamespace(place.namespace), 'nft', '-f', '-'];
  await runOk(deaf, { input: `table netdev phy {\n${chain}}\n` });
}

/** Takes the cable away. */
export async function unplugUnderlay(place: HostPlace): Promise<void> {
  await cutCable({ namespace: labNames(place.prefix).outside, link: portOf(place) });
}

/** Makes `br-phy` with the NIC in it and gives its local port the host's addresses; harmless when all of
 *  it is there. The switch must run. */
export async function ensurePhy(place: HostPlace, plan: SitePlan): Promise<void> {
  const mac = `02:fa:00:00:00:${place.number.toString(16).padStart(2, '0')}`;
  const type = `datapath_type=${await labDatapath()}`;
  const bridge = [type, 'fail_mode=standalone', `other-config:hwaddr="${mac}"`];
  const command = [
    ...['--may-exist', 'add-br', phyBridge, '--', 'set', 'bridge', phyBridge, ...bridge],
    ...['--', '--may-exist', 'add-port', phyBridge, underlayNic],
    ...['--', 'set', 'interface', phyBridge, `mtu_request=${plan.mtu}`],
  ];
  await runOk(vsctl(place, command), { env: place.environment });
  const show = ['ip', '-netns', place.namespace, 'link', 'show', phyBridge];
  await waitFor({ what: `${phyBridge} of ${place.name}`, timeoutMs: 10_000 }, () =>
    runOk(show).catch(() => undefined),
  );
  await setAddresses(place);
}

/** Gives a host other addresses on the underlay; the old ones are gone at once. */
export async function renumber(place: HostPlace, addresses: UnderlayAddresses): Promise<void> {
  writeFileSync(addressesFile(place), JSON.stringify(addressesSchema.parse(addresses)));
  await ipBatch(place.namespace, [`address flush dev ${phyBridge} scope global`]);
  await setAddresses(place);
}

async function setAddresses(place: HostPlace): Promise<void> {
  const { ipv4, ipv6 } = addressesOf(place);
  await ipBatch(place.namespace, [
    `link set ${phyBridge} up`,
    `address replace ${ipv4}/24 dev ${phyBridge}`,
    `address replace ${ipv6}/64 dev ${phyBridge} nodad`,
    `route replace default via ${gatewayAddress} dev ${phyBridge}`,
    `route replace default via ${gatewayAddress6} dev ${phyBridge}`,
  ]);
}

/** What of the traffic between two hosts is lost on the underlay, one way. */
export interface Cut {
  /** Names of hosts, or `outside` for the machines beyond; all of them without a name. */
  readonly from?: string;
  readonly to?: string;
  /** Share that is lost; 100 without it. */
  readonly percent?: number;
}

const hooks = ['forward', 'input', 'output'] as const;
type Hook = (typeof hooks)[number];

/** Replaces what the underlay loses. Links stay up: nobody is told. */
export async function setCuts(outside: string, cuts: readonly Cut[]): Promise<void> {
  const rules = (hook: Hook) =>
    cuts.filter((cut) => hooksOf(cut).includes(hook)).map((cut) => ruleOf(cut, hook));
  const chain = (hook: Hook) =>
    `chain ${hook} { type filter hook ${hook} priority 0; ${rules(hook).join('; ')}; }`;
  const body = cuts.length === 0 ? '' : hooks.map(chain).join('\n');
  // added before it is deleted, so that there is something to delete
  const input = `table bridge cuts {}\ndelete table bridge cuts\ntable bridge cuts {\n${body}\n}\n`;
  await runOk([...inNamespace(outside), 'nft', '-f', '-'], { input });
}

/** Frames to the outside end in the bridge, frames from it begin there. */
function hooksOf({ from, to }: Cut): readonly Hook[] {
  if (to === 'outside') return ['input'];
  if (from === 'outside') return ['output'];
  const ends: readonly Hook[] = to === undefined ? ['input'] : [];
  const begins: readonly Hook[] = from === undefined ? ['output'] : [];
  return ['forward', ...ends, ...begins];
}

function ruleOf({ from, to, percent }: Cut, hook: Hook): string {
  return [
    ...(from === undefined || hook === 'output' ? [] : [`iifname "${from}"`]),
    ...(to === undefined || hook === 'input' ? [] : [`oifname "${to}"`]),
    ...(percent === undefined ? [] : [`numgen random mod 100 < ${percent}`]),
    'drop',
  ].join(' ');
}
