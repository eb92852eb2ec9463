/** What containers of the tenant with rules say to each other on paper, and what its rules say of that. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { gatewayMac } from '../../../lib/datapath/pipeline/routing.ts';
import { linkLocalOf, type IpAddress } from '../../../lib/ip/ip.ts';
import type { CompiledRule } from '../../../lib/policy/compile.ts';
import type { Conversation } from '../../../lib/policy/conversation.ts';
import { judge, type TenantPolicies } from '../../../lib/policy/judge.ts';
import { bareGroupOf, plainStance } from '../../../lib/policy/stance.ts';
import { compiledOf, drawnTenant } from '../../policy/drawn-policies.ts';
import type { Container, Receipt } from './fabric.ts';
import { ipPacket } from './frames.ts';
import type { Packet } from './interpreter.ts';
import { addressOf, containers, policed, segmentAt, type PolicedFabric } from './policed-site.ts';

/** What is spoken: a protocol with its ports by name, or one without. */
export interface Speech {
  readonly protocol: number;
  readonly layer: 'tcp' | 'udp' | 'sctp' | 'icmp' | undefined;
  readonly port: number;
  /** The type of an ICMP question of IPv4, where it is no ping. */
  readonly asks?: number;
}
/** All ways to speak. */
export const speeches: readonly Speech[] = [
  ...[80, 81].flatMap((port): Speech[] => [
    { protocol: 6, layer: 'tcp', port },
    { protocol: 17, layer: 'udp', port },
    { protocol: 132, layer: 'sctp', port },
  ]),
  { protocol: 1, layer: 'icmp', port: 0 },
  { protocol: 1, layer: 'icmp', port: 0, asks: 13 },
  { protocol: 47, layer: undefined, port: 0 },
];

/** TCP to port 80. */
export const tcp80: Speech = { protocol: 6, layer: 'tcp', port: 80 };

const protocolIn = ({ protocol, layer }: Speech, family: 4 | 6): number =>
  layer === 'icmp' && family === 6 ? 58 : protocol;

function spoken(packet: Packet, speech: Speech, way: 'forth' | 'back'): Packet {
  const { udpSrc: _source, udpDst: _target, ...rest } = packet.fields;
  const { layer } = speech;
  const family = rest.ethType === 0x800n ? 4 : 6;
  const server = BigInt(speech.port);
  const [from, to] = way === 'forth' ? [4000n, server] : [server, 4000n];
  const asks = BigInt(speech.asks ?? 8);
  // timestamp reply is the number behind (RFC 792)
  const answers = asks === 8n ? 0n : asks + 1n;
  const [echo4, echo6] = way === 'forth' ? [asks, 128n] : [answers, 129n];
  const above = {
    tcp: { tcpSrc: from, tcpDst: to },
    udp: { udpSrc: from, udpDst: to },
    sctp: { sctpSrc: from, sctpDst: to },
    icmp: family === 4 ? { icmpType: echo4 } : { icmpv6Type: echo6 },
    none: {},
  }[layer ?? 'none'];
  const ipProto = BigInt(protocolIn(speech, family));
  return { ...packet, fields: { ...rest, ipProto, ...above } };
}

/** Two containers of the tenant with rules, and how they speak. */
export interface Talk {
  readonly client: Container;
  readonly server: Container;
  readonly family: 4 | 6;
  /** By the link-local addresses of the one network that they are in. */
  readonly isLinkLocal: boolean;
  readonly speech: Speech;
}

/** The containers of the tenant with rules. */
export const tenants = containers.filter((each) => segmentAt(each).domain === policed);
/** Who speaks with whom, drawn. */
export const talk: fc.Arbitrary<Talk> = fc
  .record({
    client: fc.constantFrom(...tenants),
    server: fc.constantFrom(...tenants),
    family: fc.constantFrom(4 as const, 6 as const),
    isLinkLocal: fc.boolean(),
    speech: fc.constantFrom(...speeches),
  })
  .filter(({ client, server }) => client !== server)
  .map((each) => ({
    ...each,
    isLinkLocal: each.isLinkLocal && each.family === 6 && isInOne(each),
  }));

const isInOne = ({ client, server }: Pick<Talk, 'client' | 'server'>): boolean =>
  client.segmentId === server.segmentId;

const addressIn = ({ family, isLinkLocal }: Talk, container: Container): IpAddress =>
  isLinkLocal ? linkLocalOf(container.mac) : addressOf(container, family);

/** What is said, and who says it. */
export function packetOf(said: Talk, way: 'forth' | 'back'): { from: Container; packet: Packet } {
  const [from, to] = way === 'forth' ? [said.client, said.server] : [said.server, said.client];
  const packet = ipPacket({
    fromMac: from.mac,
    toMac: isInOne(said) ? to.mac : gatewayMac,
    from: addressIn(said, from),
    to: addressIn(said, to),
  });
  return { from, packet: spoken(packet, said.speech, way) };
}

/** The type of a question in a family. */
const askedType = ({ speech, family }: Talk): number => (family === 6 ? 128 : (speech.asks ?? 8));

/** The group that a container is in, or its network's own. */
export const groupIn = (container: Container): number =>
  container.group ?? bareGroupOf(segmentAt(container).number);

/** The same as rules see it. */
export const conversationOf = (said: Talk): Conversation => ({
  client: { address: addressIn(said, said.client), group: groupIn(said.client) },
  server: { address: addressIn(said, said.server), group: groupIn(said.server) },
  protocol: protocolIn(said.speech, said.family),
  port: said.speech.port,
  icmpType: said.speech.layer === 'icmp' ? askedType(said) : undefined,
  network: isInOne(said) ? segmentAt(said.client).number : undefined,
});

/** The containers that get something; the wire between them is no receiver, nor is an agent that is told of it. */
export const receivers = (receipts: readonly Receipt[]): readonly string[] =>
  receipts.map(({ to }) => to).filter((to) => to !== 'agent' && !to.startsWith('wire:'));

/** Whether both ends allow it. */
export const allowed = (policies: TenantPolicies, said: Talk): boolean =>
  judge(policies, conversationOf(said)).verdict === 'allow';

/** What a rule without words is about. */
export const anyTraffic = {
  group: undefined,
  blocks: undefined,
  protocol: undefined,
  ports: undefined,
  icmpTypes: undefined,
};

/** A rule, as far as it says something. */
export function ruleOf(more: Partial<CompiledRule>): CompiledRule {
  return {
    policy: 'base',
    name: '1',
    direction: 'in',
    priority: 1,
    verdict: 'allow',
    traffic: anyTraffic,
    ...more,
  };
}

/** No rules, and no group that has any. */
export const noPolicies: TenantPolicies = { rules: [], groups: new Map() };
/** Tenants, some of which close a network to who is in no group. */
export const policies = fc
  .tuple(drawnTenant, fc.boolean())
  .map(([tenant, isClosed]): TenantPolicies => {
    const compiled = compiledOf(tenant);
    const bare = [bareGroupOf(1), { ...plainStance, in: 'deny' }] as const;
    return isClosed
      ? { ...compiled, stances: new Map([...(compiled.stances ?? []), bare]) }
      : compiled;
  });

/** Whether what is said gets there; the answer of who got it goes back. */
export function speak(site: PolicedFabric, said: Talk): { there: boolean; back: boolean } {
  const { from, packet } = packetOf(said, 'forth');
  const there = receivers(site.fabric.send(from, packet));
  expect(there.filter((id) => id !== said.server.id)).toEqual([]);
  if (there.length === 0) return { there: false, back: false };
  return { there: true, back: answer(site, said) };
}

/** Whether the answer of who was spoken to gets back. */
export function answer(site: PolicedFabric, said: Talk): boolean {
  const { from, packet } = packetOf(said, 'back');
  return receivers(site.fabric.send(from, packet)).includes(said.client.id);
}
