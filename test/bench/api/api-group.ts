/**
 * What commands of an operator cost, by how many objects there are: sites of different sizes are asked in turns, so
 * that what else the machine does is the same for all. `versus` is the smallest site in the same run: flat is 1.
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
    const sites: ApiSite[] = [];
    try {
      for (const size of sizes) sites.push(await openApiSite(voters === 3 ? 3 : 1, size));
      await atRest(sites);
      for (const operation of operations) await benchOperation(operation, sites, voters);
    } finally {
      await Promise.all(sites.map((site) => site.close()));
    }
  }
}

/** Waits until nobody works on what the sites were filled with any more. */
async function atRest(sites: readonly ApiSite[]): Promise<void> {
  const used = (): number => sites.reduce((sum, site) => sum + cpuOf(site), 0);
  let before = used();
  await until(
    'the agents have taken in what there is',
    () => {
      const spentMs = used() - before;
      before += spentMs;
      return spentMs < restEveryMs * restShare;
    },
    { everyMs: restEveryMs, timeoutMs: restMaxMs },
  );
}

async function benchOperation(
  { name, measured, undone, warmUpRounds }: Operation,
  sites: readonly ApiSite[],
  voters: number,
): Promise<void> {
  const values = sites.map((): number[] => []);
  const first = sites.map((): number[] => []);
  const before = sites.map(cpuOf);
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    for (const [at, site] of sites.entries()) {
      const ms = await timed(() => measured(site));
      if (round >= 0) values[at]?.push(ms);
      else if (round < firstRounds - warmUpRounds) first[at]?.push(ms);
      await undone?.(site);
    }
  }
  const [base = []] = values;
  for (const [at, site] of sites.entries()) {
    // with the removal, where there is one, and what agents do by themselves meanwhile
    const cpu = (cpuOf(site) - (before[at] ?? 0)) / (rounds + warmUpRounds);
    const versus = { name: `${sizes[0] ?? 0} objects`, values: base };
    const figure = figureOf(name, site.objects, voters);
    const inHundredths = (value: number): number => Math.round(value * 100) / 100;
    const firstP50 = inHundredths(percentile(first[at] ?? [], 0.5));
    const more = { objects: site.objects, voters, firstP50, cpuMs: inHundredths(cpu) };
    report({ figure, unit: 'ms', values: values[at] ?? [] }, at === 0 ? undefined : versus, more);
  }
}

const cpuOf = ({ pids }: ApiSite): number => pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
