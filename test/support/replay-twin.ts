/**
 * A dumb twin of the agent: what one host has to remember of the calls it was sent, in plain maps, and
 * the answer each call must get in that state. It shares no code with the product and chooses nothing:
 * what the agent chooses freely is checked and noted.
 */
import assert from 'node:assert/strict';
import type { ErrorCode } from '../../lib/errors.ts';
import { blockOf, blockText, has, plain, type Block } from './replay-blocks.ts';
import { ok, type Expected } from './replay-expected.ts';
import { TwinPools } from './replay-twin-pools.ts';
import { isBare, type Answer, type Call } from './replay-shapes.ts';
import type { Json } from './replay-translation.ts';

/** An endpoint as it must be. */
export interface TwinEndpoint {
  readonly id: string;
  readonly networkId: string;
  /** IPv4, then IPv6, without length. */
  readonly addresses: readonly string[];
  readonly mac: string;
  state: 'created' | 'joined' | 'left';
}

interface TwinSubnet {
  readonly space: string;
  readonly cidr: string;
  readonly block: Block;
}

interface TwinNetwork {
  readonly id: string;
  readonly definition: string;
  readonly mtu: number;
  readonly internal: boolean;
  readonly subnets: readonly TwinSubnet[];
}

const mtuOption = 'com.docker.network.driver.mtu';
const mtuDefault = 1500;
const texts = (body: Json) => {
  const of = (name: string): string => text(body[name]);
  return {
    NetworkID: of('NetworkID'),
    EndpointID: of('EndpointID'),
    PoolID: of('PoolID'),
    Address: of('Address'),
  };
};
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The twin of one agent. */
export class Twin {
  readonly pools: TwinPools;
  readonly networks = new Map<string, TwinNetwork>();
  readonly endpoints = new Map<string, TwinEndpoint>();

  /** `routed` are blocks that the host reaches without us. */
  constructor(routed: readonly Block[]) {
    this.pools = new TwinPools(routed, (id) => this.endpoints.has(id));
  }

  /** What must come of a call; `body` is undefined when it has no content. */
  expect(call: Call, body: Json | undefined): Expected {
    if (isBare(call)) return this.#bare(call);
    if (body === undefined) return { refused: 'REQUEST_EMPTY' };
    // what the recording plugin's malformed answer brought about
    if (body['PoolID'] === '') return { refused: 'REQUEST_INVALID' };
    const { NetworkID, EndpointID, PoolID, Address } = texts(body);
    const handlers: Partial<Record<Call, () => Expected>> = {
      'IpamDriver.RequestPool': () => this.pools.request(body),
      'IpamDriver.ReleasePool': () => ok(() => this.pools.release(PoolID)),
      'IpamDriver.RequestAddress': () => this.pools.requestAddress(body),
      'IpamDriver.ReleaseAddress': () => ok(() => this.pools.releaseAddress(PoolID, Address)),
      'NetworkDriver.CreateNetwork': () => this.#createNetwork(body),
      'NetworkDriver.DeleteNetwork': () => ok(() => this.#deleteNetwork(NetworkID)),
      'NetworkDriver.CreateEndpoint': () => this.#createEndpoint(body),
      'NetworkDriver.Join': () => this.#join(NetworkID, EndpointID),
      'NetworkDriver.Leave': () => ok(() => this.#leave(EndpointID)),
      'NetworkDriver.DeleteEndpoint': () => ok(() => this.endpoints.delete(EndpointID)),
    };
    // of the rest nothing is remembered: gateways are Docker's part, and our managers decide nothing
    return handlers[call]?.() ?? ok(noteNothingDecided);
  }

  /** MTU of a network's links, bytes. */
  mtuOf(networkId: string): number {
    return this.networks.get(networkId)?.mtu ?? mtuDefault;
  }

  #leave(id: string): void {
    const endpoint = this.endpoints.get(id);
    if (endpoint?.state === 'joined') endpoint.state = 'left';
  }

  #bare(call: Call): Expected {
    return ok((answer) => {
      if (call === 'Plugin.Activate') {
        assert.deepEqual(answer, { Implements: ['NetworkDriver', 'IpamDriver'] });
      }
      if (call === 'NetworkDriver.GetCapabilities') assert.equal(answer['Scope'], 'local');
      if (call === 'IpamDriver.GetCapabilities') {
        // what is remembered needs no replay
        assert.equal(answer['RequiresRequestReplay'] ?? false, false);
      }
      if (call === 'IpamDriver.GetDefaultAddressSpaces') {
        assert.equal(answer['LocalDefaultAddressSpace'], 'FairleadLocal');
        assert.equal(answer['GlobalDefaultAddressSpace'], 'FairleadGlobal');
      }
    });
  }

  #createNetwork(body: Json): Expected {
    const network = describeNetwork(body);
    if ('refused' in network) return network;
    const same = this.networks.get(network.id);
    if (same !== undefined) {
      return same.definition === network.definition ? ok() : { refused: 'NETWORK_EXISTS' };
    }
    const pools = network.subnets.map(({ space, cidr }) => this.pools.named(space, cidr));
    if (pools.some((pool) => pool?.networkId !== undefined)) return { refused: 'POOL_IN_USE' };
    return ok(() => {
      this.networks.set(network.id, network);
      for (const pool of pools) if (pool !== undefined) pool.networkId = network.id;
    });
  }

  #deleteNetwork(id: string): void {
    this.networks.delete(id);
    this.pools.unlink(id);
    for (const endpoint of this.endpoints.values()) {
      if (endpoint.networkId === id) this.endpoints.delete(endpoint.id);
    }
  }

  #createEndpoint(body: Json): Expected {
    const network = this.networks.get(text(body['NetworkID']));
    if (network === undefined) return { refused: 'NETWORK_UNKNOWN' };
    const id = text(body['EndpointID']);
    // no engine uses an id again
    assert.ok(!this.endpoints.has(id), 'the recording makes an endpoint twice');
    const sent = body['Interface'] as Record<'Address' | 'AddressIPv6' | 'MacAddress', string>;
    const addresses = [sent.Address, sent.AddressIPv6].filter((each) => each !== '').map(plain);
    const neighbours = [...this.endpoints.values()].filter(
      ({ networkId }) => networkId === network.id,
    );
    if (neighbours.some(({ mac }) => mac === sent.MacAddress)) return { refused: 'MAC_IN_USE' };
    for (const address of addresses) {
      const subnet = network.subnets.find(({ block }) => has(block, address));
      if (subnet === undefined) return { refused: 'ADDRESS_OUTSIDE_POOL' };
      const holder = this.pools.named(subnet.space, subnet.cidr)?.held.get(address);
      const taken =
        neighbours.some((neighbour) => neighbour.addresses.includes(address)) ||
        holder?.use === 'gateway' ||
        (holder?.endpointId !== undefined && this.endpoints.has(holder.endpointId));
      if (taken) return { refused: 'ADDRESS_IN_USE' };
    }
    return ok((answer: Answer<'NetworkDriver.CreateEndpoint'>) => {
      const { Address, AddressIPv6, MacAddress } = answer.Interface ?? {};
      // only what was left empty may be filled in, and addresses come from IPAM
      assert.equal(Address, undefined);
      assert.equal(AddressIPv6, undefined);
      if (sent.MacAddress === '') checkMac(MacAddress, neighbours);
      else assert.equal(MacAddress, undefined);
      const mac = sent.MacAddress === '' ? (MacAddress ?? '') : sent.MacAddress;
      this.endpoints.set(id, { id, networkId: network.id, addresses, mac, state: 'created' });
      for (const address of addresses) {
        const subnet = network.subnets.find(({ block }) => has(block, address));
        if (subnet !== undefined) this.pools.bind(subnet.space, subnet.cidr, address, id);
      }
    });
  }

  #join(networkId: string, endpointId: string): Expected {
    if (!this.networks.has(networkId)) return { refused: 'NETWORK_UNKNOWN' };
    const endpoint = this.endpoints.get(endpointId);
    if (endpoint?.networkId !== networkId) return { refused: 'ENDPOINT_UNKNOWN' };
    return ok((answer: Answer<'NetworkDriver.Join'>) => {
      assert.equal(answer.InterfaceName.DstPrefix, 'eth');
      // the way out is Docker's: none here, and the engine is not told to leave its own out
      assert.equal(answer.Gateway, undefined);
      assert.equal(answer.GatewayIPv6, undefined);
      assert.equal(answer.StaticRoutes, undefined);
      assert.equal(answer.DisableGatewayService ?? false, false);
      endpoint.state = 'joined';
    });
  }
}

function noteNothingDecided(answer: Json): void {
  // every network has a gateway address, and Docker asks our IPAM for it
  assert.equal(answer['SkipIPv4'] ?? false, false);
  assert.equal(answer['SkipIPv6'] ?? false, false);
  assert.deepEqual(answer['Options'] ?? {}, {});
}

function checkMac(mac: string | undefined, neighbours: readonly TwinEndpoint[]): void {
  assert.ok(mac !== undefined, 'the endpoint has no MAC');
  const first = Number.parseInt(mac.slice(0, 2), 16);
  assert.equal(first & 1, 0, `${mac} is multicast`);
  assert.equal(first & 2, 2, `${mac} is no local MAC`);
  assert.ok(!neighbours.some((each) => each.mac === mac), `${mac} is taken`);
}

type IpamData = { AddressSpace: string; Pool: string };

function describeNetwork(body: Json): TwinNetwork | { readonly refused: ErrorCode } {
  const options = (body['Options'] ?? {}) as Record<string, unknown>;
  const generic = (options['com.docker.network.generic'] ?? {}) as Record<string, string>;
  if (Object.keys(generic).some((name) => name !== mtuOption)) return { refused: 'OPTION_UNKNOWN' };
  const data = [...list(body['IPv4Data']), ...list(body['IPv6Data'])];
  return {
    id: text(body['NetworkID']),
    definition: JSON.stringify([options, data]),
    mtu: Number(generic[mtuOption] ?? mtuDefault),
    internal: options['com.docker.network.internal'] === true,
    subnets: data.map(({ AddressSpace, Pool }) => ({
      space: AddressSpace,
      cidr: blockText(Pool),
      block: blockOf(Pool),
    })),
  };
}

const list = (value: unknown): readonly IpamData[] => (value ?? []) as readonly IpamData[];
