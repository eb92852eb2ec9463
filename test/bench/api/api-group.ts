/**
 * What commands of an operator cost, by how many objects there are. Commands and sites of different sizes take short
 * turns, so that what else the machine does meets all alike, and the agents of the others are stopped meanwhile: a site
 * has the machine to itself, as it has where it is used. `versus` is the smallest site in the same run: flat is 1.
 *
 * The runtime compiles what runs often: a change costs twice as much in the first rounds after a start as some 500
 * later, and what is measured first would pay for what all changes have in common. So there are that many rounds
 * before it is measured; `firstP50` is what the first ten of them cost, of an agent that has just been started.
 */
import { until } from '../../support/until.ts';
import { percentile, report, timed } from '../figures.ts';
import { cpuMs } from '../store/cluster.ts';
import { openApiSite, spareSubnet, type ApiSite } from './api-site.ts';
import type { ThinClient } from '../thin-client.ts';

const sizes = (process.env['FAIRLEAD_BENCH_OBJECTS'] ?? '10,1000,10000').split(',').map(Number);
const voterCounts = (process.env['FAIRLEAD_BENCH_VOTERS'] ?? '1,3').split(',').map(Number);
/** Turns of each site, and of what takes long where there is much. */
const turnsMax = Number(process.env['FAIRLEAD_BENCH_TURNS'] ?? 30);
const largeTurns = Math.min(turnsMax, 8);
const firstRounds = 10;
/** A turn ends after so many rounds, or after so long: well before a member that is stopped is missed. */
const turnRounds = 25;
const turnMs = 200;
/** Of a turn, rounds that are not measured: agents that were stopped have something to catch up with. */
const wakeRounds = 3;
/** Agents rest when all of them together use less than this share of a processor for so long. */
const restShare = 0.15;
const restEveryMs = 2_000;
const restMaxMs = 120_000;

interface Operation {
  readonly name: string;
  /** What is measured. */
  readonly measured: (agent: ThinClient) => Promise<unknown>;
  /** Takes it back. */
  readonly undone?: (agent: ThinClient) => Promise<unknown>;
  readonly warmUpRounds: number;
  /** Turns of each site that are measured, when it is warm. */
  readonly turns: number;
}

function made(name: string, path: string, body: object): Operation {
  return {
    name,
    measured: (agent) => agent.ask('POST', path, body),
    undone: (agent) => agent.ask('DELETE', path),
    warmUpRounds: 500,
    turns: turnsMax,
  };
}

function asked(name: string, path: string): Operation {
  return {
    name,
    measured: (agent) => agent.ask('GET', path),
    warmUpRounds: firstRounds,
    turns: turnsMax,
  };
}

const own = { tenantName: 'default' };
const changes: readonly Operation[] = [
  made('network-create', '/api/v1/networks/default:x/', {
    ...own,
    networkName: 'x',
    encap: 'vxlan',
    subnet: spareSubnet,
  }),
  made('rule-add', '/api/v1/rules/default:p:x/', {
    ...own,
    policyName: 'p',
    ruleId: 'x',
    direction: 'in',
    action: 'allow',
    protocol: 'tcp',
    port: 80,
  }),
  made('group-create', '/api/v1/endpointGroups/default:x/', {
    ...own,
    groupName: 'x',
    networkName: 'n1',
  }),
];
const reads: readonly Operation[] = [
  asked('inspect', '/api/v1/inspect/networks/default:n1/'),
  // what grows with what is in it
  { ...asked('inspect-tenant', '/api/v1/inspect/tenants/default/'), turns: largeTurns },
  { ...asked('inspect-policy', '/api/v1/inspect/policys/default:p/'), turns: largeTurns },
  asked('get', '/v1/networks/default/n1'),
  asked('list', '/api/v1/networks/'),
  asked('list-page', '/v1/networks?limit=10'),
];

const figureOf = (name: string, size: number, voters: number): string =>
  `api-${name}-${size}${voters === 1 ? '' : `-voters${voters}`}`;

/** Names of what is reported. */
export const apiFigures = voterCounts.flatMap((voters) =>
  [...changes, ...reads].flatMap(({ name }) => sizes.map((size) => figureOf(name, size, voters))),
);

/** Runs all of it. */
export async function benchApi(): Promise<void> {
  for (const voters of voterCounts) {
    const sites: ApiSite[] = [];
    try {
      for (const size of sizes) {
        const site = await openApiSite(voters === 3 ? 3 : 1, size);
        sites.push(site);
        await atRest(site);
        site.stop();
      }
      // apart: a list of 10 000 leaves behind what the next command's agent would have to clear away
      for (const operations of [changes, reads]) await benchOperations(operations, sites, voters);
    } finally {
      for (const site of sites) site.resume();
      await Promise.all(sites.map((site) => site.close()));
    }
  }
}

/** Waits until nobody works on what the site was filled with any more. */
async function atRest(site: ApiSite): Promise<void> {
  let before = cpuOf(site);
  await until(
    'the agents have taken in what there is',
    () => {
      const spentMs = cpuOf(site) - before;
      before += spentMs;
      return spentMs < restEveryMs * restShare;
    },
    { everyMs: restEveryMs, timeoutMs: restMaxMs },
  );
}

/** What an operation cost on a site. */
interface Costs {
  readonly operation: Operation;
  readonly site: ApiSite;
  /** ms of each round. */
  readonly values: number[];
  /** Of the first rounds after a start. */
  readonly first: number[];
  /** Rounds so far, measured or not. */
  rounds: number;
  /** Turns so far that were measured. */
  turns: number;
  /** Processor time of all agents so far, ms: with what takes it back, if anything does. */
  cpuMs: number;
}

async function benchOperations(
  operations: readonly Operation[],
  sites: readonly ApiSite[],
  voters: number,
): Promise<void> {
  const all = operations.map((operation) =>
    sites.map((site): Costs => ({
      ...{ operation, site },
      ...{ values: [], first: [], rounds: 0, turns: 0, cpuMs: 0 },
    })),
  );
  while (all.flat().some((of) => of.turns < of.operation.turns)) {
    for (const of of all.flat()) if (of.turns < of.operation.turns) await turn(of);
  }
  for (const costs of all) reportCosts(costs, voters);
}

function reportCosts(costs: readonly Costs[], voters: number): void {
  const inHundredths = (value: number): number => Math.round(value * 100) / 100;
  const versus = { name: `${sizes[0] ?? 0} objects`, values: costs[0]?.values ?? [] };
  for (const [at, { operation, values, first, ...of }] of costs.entries()) {
    const objects = sizes[at] ?? 0;
    const figure = figureOf(operation.name, objects, voters);
    const firstP50 = inHundredths(percentile(first, 0.5));
    const more = { objects, voters, firstP50, cpuMs: inHundredths(of.cpuMs / of.rounds) };
    report({ figure, unit: 'ms', values }, at === 0 ? undefined : versus, more);
  }
}

/** Some rounds on one site; its agents run meanwhile. */
async function turn(costs: Costs): Promise<void> {
  const { site, operation } = costs;
  const { measured, undone, warmUpRounds } = operation;
  const before = cpuOf(site);
  const isMeasured = costs.rounds >= warmUpRounds;
  if (isMeasured) costs.turns += 1;
  const agent = site.resume();
  const startedMs = performance.now();
  for (let round = 0; round < turnRounds; round += 1) {
    // one round at least is measured
    if (round > wakeRounds && performance.now() - startedMs > turnMs) break;
    const ms = await timed(() => measured(agent));
    if (costs.rounds < firstRounds) costs.first.push(ms);
    if (isMeasured && round >= wakeRounds) costs.values.push(ms);
    costs.rounds += 1;
    await undone?.(agent);
  }
  site.stop();
  costs.cpuMs += cpuOf(site) - before;
}

const cpuOf = ({ pids }: ApiSite): number => pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
