/**
 * What commands of an operator cost, by how many objects there are. A site is alone on the machine while it is asked:
 * agents of others, though at rest, take the processor's caches from it. Sizes go up and down again, so that what else
 * the machine does meets all alike. `versus` is the smallest site in the same run: flat is 1.
 *
 * The runtime compiles what runs often: a change costs twice as much in the first rounds after a start as some 500
 * later, and what is measured first would pay for what all changes have in common. So there are that many rounds
 * before it is measured; `firstP50` is what the first ten of them cost, of an agent that has just been started.
 */
import { until } from '../../support/until.ts';
import { percentile, report, timed } from '../figures.ts';
import { cpuMs } from '../store/cluster.ts';
import { openApiSite, spareSubnet, type ApiSite } from './api-site.ts';

const sizes = (process.env['FAIRLEAD_BENCH_OBJECTS'] ?? '10,1000,10000').split(',').map(Number);
const voterCounts = (process.env['FAIRLEAD_BENCH_VOTERS'] ?? '1,3').split(',').map(Number);
const rounds = Number(process.env['FAIRLEAD_BENCH_ROUNDS'] ?? 100);
const firstRounds = 10;
/** Agents rest when all of them together use less than this share of a processor for so long. */
const restShare = 0.15;
const restEveryMs = 2_000;
const restMaxMs = 120_000;

interface Operation {
  readonly name: string;
  /** What is measured. */
  readonly measured: (site: ApiSite) => Promise<unknown>;
  /** Takes it back. */
  readonly undone?: (site: ApiSite) => Promise<unknown>;
  readonly warmUpRounds: number;
}

function made(name: string, path: string, body: object): Operation {
  return {
    name,
    measured: (site) => site.ask('POST', path, body),
    undone: (site) => site.ask('DELETE', path),
    warmUpRounds: 500,
  };
}

function asked(name: string, path: string): Operation {
  return { name, measured: (site) => site.ask('GET', path), warmUpRounds: firstRounds };
}

const own = { tenantName: 'default' };
const operations: readonly Operation[] = [
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
  asked('inspect', '/api/v1/inspect/networks/default:n1/'),
  asked('get', '/v1/networks/default/n1'),
  asked('list', '/api/v1/networks/'),
  asked('list-page', '/v1/networks?limit=10'),
];

const figureOf = (name: string, size: number, voters: number): string =>
  `api-${name}-${size}${voters === 1 ? '' : `-voters${voters}`}`;

/** Names of what is reported. */
export const apiFigures = voterCounts.flatMap((voters) =>
  operations.flatMap(({ name }) => sizes.map((size) => figureOf(name, size, voters))),
);

/** Runs all of it. */
export async function benchApi(): Promise<void> {
  for (const voters of voterCounts) {
    const measured = new Map(sizes.map((size) => [size, operations.map(() => emptyCosts())]));
    for (const size of [...sizes, ...sizes.toReversed()]) {
      const site = await openApiSite(voters === 3 ? 3 : 1, size);
      try {
        await atRest(site);
        for (const [at, operation] of operations.entries()) {
          const costs = measured.get(size)?.[at];
          if (costs !== undefined) await measure(operation, site, costs);
        }
      } finally {
        await site.close();
      }
    }
    for (const at of operations.keys()) {
      reportCosts(
        at,
        voters,
        sizes.map((size) => measured.get(size)?.[at] ?? emptyCosts()),
      );
    }
  }
}

/** What an operation cost on a site, in both turns. */
interface Costs {
  /** ms of each round. */
  readonly values: number[];
  /** Of the first rounds after a start. */
  readonly first: number[];
  /** Processor time of all agents, ms per round, of each turn: with what takes it back, if anything does. */
  readonly cpu: number[];
}

const emptyCosts = (): Costs => ({ values: [], first: [], cpu: [] });

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

async function measure(
  { measured, undone, warmUpRounds }: Operation,
  site: ApiSite,
  { values, first, cpu }: Costs,
): Promise<void> {
  const before = cpuOf(site);
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    const ms = await timed(() => measured(site));
    if (round >= 0) values.push(ms);
    else if (round < firstRounds - warmUpRounds) first.push(ms);
    await undone?.(site);
  }
  cpu.push((cpuOf(site) - before) / (rounds + warmUpRounds));
}

function reportCosts(at: number, voters: number, costs: readonly Costs[]): void {
  const name = operations[at]?.name ?? '';
  const inHundredths = (value: number): number => Math.round(value * 100) / 100;
  const versus = { name: `${sizes[0] ?? 0} objects`, values: costs[0]?.values ?? [] };
  for (const [which, { values, first, cpu }] of costs.entries()) {
    const objects = sizes[which] ?? 0;
    const figure = figureOf(name, objects, voters);
    const [firstP50, agentsMs] = [first, cpu].map((each) => inHundredths(percentile(each, 0.5)));
    const more = { objects, voters, firstP50, cpuMs: agentsMs };
    report({ figure, unit: 'ms', values }, which === 0 ? undefined : versus, more);
  }
}

const cpuOf = ({ pids }: ApiSite): number => pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
