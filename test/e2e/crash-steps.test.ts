/**
 * The agent is killed (SIGKILL) at every step of a container's life, from RequestPool to DeleteNetwork:
 * after the answer, and while the call is in work. After each restart what was acknowledged is there,
 * the rest of the life goes on, and in the end nothing is left.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HostProcess } from '../lab/host.ts';
import { labOfOneHost } from '../support/lab-host.ts';
import { apiGet, pluginSocketOf, startAgent } from '../support/agent-process.ts';
import { linkNames, portNames } from '../support/traces.ts';
import { openPluginClient, type PluginAnswer } from '../support/plugin-client.ts';
import { until } from '../support/until.ts';

const one = labOfOneHost();
const startAgain = (): Promise<HostProcess> =>
  // no engine: it would not know what this test makes, and the agent would sweep it
  startAgent(one.host, 'binary', {
    env: { FAIRLEAD_DOCKER_HOST: 'unix:/nonexistent/docker.sock' },
  });

/** What a life has learned so far. */
interface Life {
  poolId: string;
  gateway: string;
  address: string;
}

const networkId = 'a'.repeat(64);
const endpointId = 'b'.repeat(64);
const ids = { NetworkID: networkId, EndpointID: endpointId };
const plain = (cidr: string): string => cidr.replace(/\/.*$/, '');
const gatewayOptions = { RequestAddressType: 'com.docker.network.gateway' };

interface Step {
  readonly call: string;
  readonly body: (life: Life) => object;
  readonly learn?: (life: Life, answer: Record<string, unknown>) => void;
}

/** The calls of one network with one container, in the engine's order. */
const steps: readonly Step[] = [
  {
    call: '/IpamDriver.RequestPool',
    body: () => ({
      AddressSpace: 'FairleadLocal',
      Pool: '10.95.0.0/24',
      SubPool: '',
      Options: {},
      V6: false,
    }),
    learn: (life, answer) => (life.poolId = String(answer['PoolID'])),
  },
  {
    call: '/IpamDriver.RequestAddress',
    body: ({ poolId }) => ({ PoolID: poolId, Address: '', Options: gatewayOptions }),
    learn: (life, answer) => (life.gateway = String(answer['Address'])),
  },
  {
    call: '/NetworkDriver.CreateNetwork',
    body: ({ gateway }) => ({
      NetworkID: networkId,
      Options: { 'com.docker.network.generic': {} },
      IPv4Data: [{ AddressSpace: 'FairleadLocal', Pool: '10.95.0.0/24', Gateway: gateway }],
      IPv6Data: [],
    }),
  },
  {
    call: '/IpamDriver.RequestAddress',
    body: ({ poolId }) => ({ PoolID: poolId, Address: '10.95.0.9', Options: null }),
    learn: (life, answer) => (life.address = String(answer['Address'])),
  },
  {
    call: '/NetworkDriver.CreateEndpoint',
    body: () => ({
      ...ids,
      Interface: { Address: '10.95.0.9/24', AddressIPv6: '', MacAddress: '' },
      Options: {},
    }),
  },
  {
    call: '/NetworkDriver.Join',
    body: () => ({ ...ids, SandboxKey: '/run/docker/netns/bbbbbbbbbbbb', Options: {} }),
  },
  { call: '/NetworkDriver.EndpointOperInfo', body: () => ids },
  { call: '/NetworkDriver.Leave', body: () => ids },
  { call: '/NetworkDriver.DeleteEndpoint', body: () => ids },
  {
    call: '/IpamDriver.ReleaseAddress',
    body: ({ poolId }) => ({ PoolID: poolId, Address: '10.95.0.9' }),
  },
  {
    call: '/IpamDriver.ReleaseAddress',
    body: ({ poolId, gateway }) => ({ PoolID: poolId, Address: plain(gateway) }),
  },
  { call: '/IpamDriver.ReleasePool', body: ({ poolId }) => ({ PoolID: poolId }) },
  { call: '/NetworkDriver.DeleteNetwork', body: () => ({ NetworkID: networkId }) },
];

const joinStep = steps.findIndex(({ call }) => call === '/NetworkDriver.Join');
const deleteStep = steps.findIndex(({ call }) => call === '/NetworkDriver.DeleteEndpoint');

/** When the agent is killed: after the answer, or so many ms after the call was sent. */
const moments = [
  { name: 'after its answer', ms: undefined },
  { name: 'as soon as it is sent', ms: 0 },
  { name: 'a millisecond into it', ms: 1 },
  { name: 'two milliseconds into it', ms: 2 },
  { name: 'four milliseconds into it', ms: 4 },
] as const;

describe.each(moments)('killed $name', ({ ms }) => {
  it.each(steps.map(({ call }, index) => ({ name: `${index + 1} ${call}`, index })))(
    'step $name',
    async ({ index: fatal }) => {
      let agent = await startAgain();
      let client = openPluginClient(pluginSocketOf(one.host));
      const life: Life = { poolId: '', gateway: '', address: '' };
      const call = (step: Step): Promise<PluginAnswer> => client.call(step.call, step.body(life));
      const kill = async (): Promise<void> => {
        client.close();
        await agent.stop('SIGKILL');
        agent = await startAgain();
        client = openPluginClient(pluginSocketOf(one.host));
      };
      try {
        for (const [index, step] of steps.entries()) {
          if (index === fatal && ms !== undefined) {
            const cut = call(step).then(
              (answer) => answer.body,
              () => undefined,
            );
            await passed(ms);
            agent.signal('SIGKILL');
            await cut;
            await kill();
          }
          const answer = await call(step);
          // an explicit address that was taken just before the kill cannot be told from a duplicate
          const taken = index === fatal && String(answer.body['Err']).includes('ADDRESS_IN_USE');
          if (taken) life.address = '10.95.0.9/24';
          else expect(answer.body['Err'] ?? '', step.call).toBe('');
          step.learn?.(life, answer.body);
          if (taken) life.address = '10.95.0.9/24';
          if (index === fatal && ms === undefined) await kill();
          if (index === fatal) await checkState(index);
        }
        await until('nothing is left', async () => {
          const records = await Promise.all(
            ['networks', 'endpoints', 'pools'].map(
              async (kind) => (await apiGet(one.host, `/v1/host/${kind}`)).body[kind] as unknown[],
            ),
          );
          const traces = [...(await portNames(one.host)), ...(await linkNames(one.host))];
          return [...records.flat(), ...traces].length === 0;
        });
      } finally {
        client.close();
        await agent.stop('SIGKILL');
        rmSync(join(one.host.directory, 'agent', 'data'), { recursive: true, force: true });
      }
    },
  );
});

/** A moment to aim the kill by; what it hits differs from run to run, what must hold does not. */
async function passed(ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) await new Promise((resolve) => setImmediate(resolve));
}

/** Exactly the endpoint that should be attached is, and its address has one owner. */
async function checkState(index: number): Promise<void> {
  const expectedPorts =
    index >= joinStep && index < deleteStep ? [`fh-${endpointId.slice(0, 12)}`] : [];
  await until('exactly the joined endpoints are attached', async () => {
    const ports = await portNames(one.host);
    return JSON.stringify(ports) === JSON.stringify(expectedPorts);
  });
  const { body } = await apiGet(one.host, '/v1/host/endpoints');
  const endpoints = body['endpoints'] as { ipv4?: string }[];
  const addresses = endpoints.map(({ ipv4 }) => ipv4);
  expect(new Set(addresses).size).toBe(addresses.length);
}
