/**
 * Plays a recording to an agent: every call in its order and in the agent's own words, every answer
 * checked for its shape and, by the twin, for its meaning; then takes down what is left and looks that
 * nothing remains.
 */
import assert from 'node:assert/strict';
import type { LabHost } from '../lab/host.ts';
import type { RecordedCall, Scenario } from '../recordings/load.ts';
import { apiGet, pluginSocketOf } from './agent-process.ts';
import { openPluginClient, type PluginClient } from './plugin-client.ts';
import { blockOf, plain, type Block } from './replay-blocks.ts';
import { prologueOf } from './replay-prologue.ts';
import { answerShapes, isCall, refusalIn, type Call } from './replay-shapes.ts';
import { Translation, type Json } from './replay-translation.ts';
import { Twin } from './replay-twin.ts';
import { leftovers, portNames } from './traces.ts';
import { until } from './until.ts';

/** A call that was refused, as the twin had said. */
export interface Refusal {
  readonly no: number;
  /** `NetworkDriver.Join NETWORK_UNKNOWN`. */
  readonly what: string;
}

/** A replay in progress. */
interface Replay {
  readonly host: LabHost;
  readonly client: PluginClient;
  readonly twin: Twin;
}

/** What is played. */
export interface Play {
  readonly scenario: Scenario;
  /** Which of the recorded plugins the agent stands in for. */
  readonly plugin: string;
  /** Whether the engine goes by the agent's answers: see `Translation`. */
  readonly heeding: boolean;
}

/**
 * Plays the calls of one recorded plugin to the agent on the host, which must have nothing yet.
 * @throws {Error} with the line of the recording and both texts when an answer is not right
 */
export async function replay(host: LabHost, asked: Play): Promise<readonly Refusal[]> {
  const recorded = asked.scenario.calls.filter(({ plugin }) => plugin === asked.plugin);
  const calls = [...prologueOf(recorded), ...recorded];
  const client = openPluginClient(pluginSocketOf(host), 30_000, recorded[0]?.host);
  const twin = new Twin(await routedBlocks(host));
  const going: Replay = { host, client, twin };
  try {
    const refusals = await playCalls(going, asked, calls);
    await comparePorts(going);
    await takeDown(going, calls);
    return refusals;
  } finally {
    client.close();
  }
}

async function playCalls(
  going: Replay,
  { scenario, heeding }: Play,
  calls: readonly RecordedCall[],
): Promise<Refusal[]> {
  const translation = new Translation(optionsOfPlugin(scenario), heeding);
  const refusals: Refusal[] = [];
  let before: string | undefined;
  for (const { no, call, body: recorded, answer, command } of calls) {
    assert.ok(isCall(call), `call ${no}: ${call} is not of the protocol`);
    const where = placeOf(scenario, no, command);
    // after each docker command, not only in the end, when most is deleted
    if (command !== before) await compareRecords(going, `before ${where}`);
    before = command;
    if (recorded !== undefined && translation.leavesOut(call, recorded)) continue;
    const body = recorded && translation.request(call, recorded);
    const { refused, ours } = await play(going, call, body, where);
    if (refused !== undefined) refusals.push({ no, what: `${call} ${refused}` });
    // the engine may ask nothing between this and the end of the endpoint
    if (call === 'NetworkDriver.Leave') await compareRecords(going, `after ${where}`);
    if (recorded !== undefined) translation.learn(call, recorded, successOf(answer), ours);
  }
  await compareRecords(going, 'in the end');
  return refusals;
}

function placeOf({ engine, name, events }: Scenario, no: number, command = 'no command'): string {
  const line = events.findIndex((event) => event.kind === 'call' && event.no === no) + 1;
  const place = line === 0 ? 'prologue' : `line ${line}`;
  return `${engine}-${name}.jsonl ${place}, call ${no} (${command})`;
}

/** Options that the recording plugin added to those of the user, for the nodes of its swarm. */
function optionsOfPlugin({ calls }: Scenario): ReadonlySet<string> {
  const added = calls
    .filter(({ call }) => call === 'NetworkDriver.AllocateNetwork')
    .flatMap(({ body, answer }) =>
      Object.keys(successOf(answer)?.['Options'] ?? {}).filter(
        (name) => !Object.keys(body?.['Options'] ?? {}).includes(name),
      ),
    );
  return new Set(added);
}

/** Sends one call and checks what comes back. */
async function play(
  { host, client, twin }: Replay,
  call: Call,
  body: Json | undefined,
  where: string,
): Promise<{ refused?: string; ours?: Json }> {
  const { status, body: answer } = await client.call(`/${call}`, body);
  try {
    assert.equal(status, 200);
    const expected = twin.expect(call, body);
    const refused = refusalIn(answer);
    assert.equal(refused, expected.refused, 'refusal');
    if (refused !== undefined || expected.refused !== undefined) return { refused: `${refused}` };
    const ours = answerShapes[call].parse(answer) as Json;
    expected.note(ours);
    if (call === 'NetworkDriver.Join') await checkLink(host, twin, body ?? {}, ours);
    return { ours };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const texts = `sent ${JSON.stringify(body)}\ngot ${status} ${JSON.stringify(answer)}`;
    throw new Error(`${where}: ${call}: ${reason}\n${texts}`, { cause });
  }
}

/** The link that Docker is told to take is there now, as the container needs it. */
async function checkLink(host: LabHost, twin: Twin, request: Json, answer: Json): Promise<void> {
  const { SrcName } = answer['InterfaceName'] as { SrcName: string };
  const { code, stdout, stderr } = await host.exec(['ip', '-j', 'link', 'show', 'dev', SrcName]);
  assert.equal(code, 0, `the link is not on the host: ${stderr}`);
  const [link] = JSON.parse(stdout) as { mtu: number; address: string }[];
  assert.equal(link?.mtu, twin.mtuOf(String(request['NetworkID'])), 'MTU of the link');
  const endpoint = twin.endpoints.get(String(request['EndpointID']));
  assert.equal(link?.address, endpoint?.mac.toLowerCase(), 'MAC of the link');
}

/** What the agent remembers is what the twin remembers. */
async function compareRecords({ host, twin }: Replay, when: string): Promise<void> {
  const networks = (await apiGet(host, '/v1/host/networks')).body['networks'] as Json[];
  requireSame(
    `networks ${when}`,
    networks.map(({ id, mtu, internal }) => ({ id, mtu, internal })),
    [...twin.networks.values()].map(({ id, mtu, internal }) => ({ id, mtu, internal })),
  );
  const endpoints = (await apiGet(host, '/v1/host/endpoints')).body['endpoints'] as Json[];
  requireSame(
    `endpoints ${when}`,
    endpoints.map(({ id, networkId, state, mac, ipv4, ipv6 }) => {
      const addresses = [ipv4, ipv6].filter((each) => typeof each === 'string').map(plain);
      return { id, networkId, addresses, mac, state };
    }),
    [...twin.endpoints.values()],
  );
  const pools = (await apiGet(host, '/v1/host/pools')).body['pools'] as {
    pool: Json;
    usage: Json;
  }[];
  requireSame(
    `pools ${when}`,
    pools.map(({ pool: { space, cidr, networkId }, usage: { held, gateways, bound } }) => ({
      ...{ space, cidr, networkId, held, gateways, bound },
    })),
    [...twin.pools.byId.values()].map((pool) => {
      const { space, cidr, networkId } = pool;
      return { space, cidr, networkId, ...twin.pools.usageOf(pool) };
    }),
  );
}

/** The switch has the ports of exactly the containers that joined. */
async function comparePorts({ host, twin }: Replay): Promise<void> {
  const joined = [...twin.endpoints.values()].filter(({ state }) => state !== 'created');
  const expected = joined.map(({ id }) => `fh-${id.slice(0, 12)}`);
  // ports go in the background
  await until('the ports', async () => {
    requireSame('ports', await portNames(host), expected);
    return true;
  });
}

/** The two have the same items, in any order. */
function requireSame(what: string, agent: readonly unknown[], twin: readonly unknown[]): void {
  const textsOf = (items: readonly unknown[]): readonly string[] =>
    items.map((item) => JSON.stringify(item)).toSorted();
  const [ours, theirs] = [textsOf(agent), textsOf(twin)];
  const only = (some: readonly string[], others: readonly string[]): string =>
    some.filter((each) => !others.includes(each)).join(', ');
  if (JSON.stringify(ours) === JSON.stringify(theirs)) return;
  throw new Error(
    `${what}: only the agent: ${only(ours, theirs)}; only the twin: ${only(theirs, ours)}`,
  );
}

/** Deletes all that the recording ever made, twice, in an engine's order. */
async function takeDown(going: Replay, calls: readonly RecordedCall[]): Promise<void> {
  const { host, twin } = going;
  const made = (call: Call): readonly Json[] =>
    calls.flatMap((each) => (each.call === call && each.body !== undefined ? [each.body] : []));
  const pools = [...twin.pools.byId.values()].map(({ id, held }) => ({
    id,
    addresses: [...held.keys()],
  }));
  for (const time of ['first', 'second']) {
    const send = (call: Call, body: Json) => play(going, call, body, `${time} taking down`);
    for (const { NetworkID, EndpointID } of made('NetworkDriver.CreateEndpoint')) {
      await send('NetworkDriver.Leave', { NetworkID, EndpointID });
      await send('NetworkDriver.DeleteEndpoint', { NetworkID, EndpointID });
    }
    for (const { id, addresses } of pools) {
      for (const Address of addresses) {
        await send('IpamDriver.ReleaseAddress', { PoolID: id, Address });
      }
      await send('IpamDriver.ReleasePool', { PoolID: id });
    }
    for (const { NetworkID } of made('NetworkDriver.CreateNetwork')) {
      await send('NetworkDriver.DeleteNetwork', { NetworkID });
    }
  }
  let rest: readonly string[] = [];
  await until('nothing is left', async () => {
    const { body } = await apiGet(host, '/v1/host/pools');
    rest = [
      ...(await leftovers(host)),
      ...(body['pools'] as Json[]).map((pool) => JSON.stringify(pool)),
    ];
    return rest.length === 0;
  }).catch((cause: unknown) => {
    throw new Error(`left behind: ${rest.join(', ')}`, { cause });
  });
}

/** The recorded answer if it was a success that an engine could read. */
function successOf(answer: RecordedCall['answer']): Json | undefined {
  if (answer?.status !== 200 || typeof answer.body !== 'object' || answer.body === null) {
    return undefined;
  }
  return 'Err' in answer.body || 'Error' in answer.body ? undefined : (answer.body as Json);
}

/** What the host has routes to, without its default routes. */
async function routedBlocks(host: LabHost): Promise<readonly Block[]> {
  const { stdout } = await host.exec(['ip', '-j', 'route', 'show']);
  const routes = JSON.parse(stdout || '[]') as { dst: string }[];
  return routes
    .filter(({ dst }) => dst !== 'default')
    .map(({ dst }) => blockOf(dst.includes('/') ? dst : `${dst}/32`));
}
