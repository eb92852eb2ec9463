/**
 * What a recording takes for granted. Some begin on a host that has networks already, made in a scenario
 * before; the calls that made them are put in front, as the recording plugin would have answered them.
 * Nothing is made for the sake of what is only deleted: that has to succeed for unknown things as well.
 */
import type { RecordedCall } from '../recordings/load.ts';
import { blockOf, blockText, textOf } from './replay-blocks.ts';
import type { Call } from './replay-shapes.ts';
import type { Json } from './replay-translation.ts';

/** The recording plugin's pool ids say what they are. */
const poolIdForm = /^(rec(?:local|global))\/(.+\/[0-9]+)$/;
const gatewayOptions = { RequestAddressType: 'com.docker.network.gateway' };

/** The calls that must have been made before the first of these. */
export function prologueOf(calls: readonly RecordedCall[]): readonly RecordedCall[] {
  const requested = new Set<unknown>();
  const created = new Set<unknown>();
  const poolIds = new Set<string>();
  const networks = new Map<string, Set<string>>();
  const mentioned = new Set(calls.map(({ body }) => body?.['PoolID']));
  for (const { call, body, answer } of calls) {
    if (body === undefined) continue;
    const poolId = String(body['PoolID']);
    const networkId = String(body['NetworkID']);
    if (call === 'IpamDriver.RequestPool') requested.add((answer?.body as Json)?.['PoolID']);
    if (call === 'NetworkDriver.CreateNetwork') created.add(networkId);
    if (call === 'IpamDriver.RequestAddress' && !requested.has(poolId)) poolIds.add(poolId);
    if (call !== 'NetworkDriver.CreateEndpoint' || created.has(networkId)) continue;
    const sent = body['Interface'] as { Address: string; AddressIPv6: string };
    const blocks = [sent.Address, sent.AddressIPv6].filter((each) => each !== '').map(blockText);
    const known = networks.get(networkId) ?? new Set();
    networks.set(networkId, new Set([...known, ...blocks]));
    for (const block of blocks) {
      const id = `reclocal/${block}`;
      if (mentioned.has(id)) poolIds.add(id);
    }
  }
  return [
    ...[...poolIds].filter((id) => poolIdForm.test(id)).flatMap(requestPool),
    ...[...networks].map(([id, blocks]) => createNetwork(id, [...blocks], poolIds)),
  ];
}

function requestPool(id: string): readonly RecordedCall[] {
  const [, space, cidr = ''] = poolIdForm.exec(id) ?? [];
  const asked = { AddressSpace: space, Pool: cidr, SubPool: '', Options: {}, V6: false };
  return [
    made('IpamDriver.RequestPool', asked, { PoolID: id, Pool: cidr }),
    made(
      'IpamDriver.RequestAddress',
      { PoolID: id, Address: '', Options: gatewayOptions },
      { Address: gatewayOf(cidr) },
    ),
  ];
}

function createNetwork(
  id: string,
  blocks: readonly string[],
  poolIds: ReadonlySet<string>,
): RecordedCall {
  const data = blocks.map((cidr) => ({
    AddressSpace: poolIds.has(`reclocal/${cidr}`) ? 'reclocal' : 'LocalDefault',
    Pool: cidr,
    Gateway: gatewayOf(cidr),
  }));
  const isIpv6 = ({ Pool }: { Pool: string }): boolean => Pool.includes(':');
  return made(
    'NetworkDriver.CreateNetwork',
    {
      NetworkID: id,
      Options: { 'com.docker.network.enable_ipv6': data.some(isIpv6) },
      IPv4Data: data.filter((each) => !isIpv6(each)),
      IPv6Data: data.filter(isIpv6),
    },
    {},
  );
}

function gatewayOf(cidr: string): string {
  const { family, first, prefixLength } = blockOf(cidr);
  return `${textOf({ family, value: first + 1n })}/${prefixLength}`;
}

function made(call: Call, body: Json, answer: Json): RecordedCall {
  return {
    no: 0,
    plugin: '',
    call,
    host: '',
    body,
    answer: { status: 200, body: answer },
    command: undefined,
  };
}
