/**
 * What commands of an operator cost, by how many objects there are: sites of different sizes are asked in turns, so
 * that what else the machine does is the same for all. `versus` is the smallest site in the same run: flat is 1.
 */
import { report, timed } from '../figures.ts';
import { cpuMs } from '../store/cluster.ts';
import { openApiSite, spareSubnet, type ApiSite } from './api-site.ts';

const sizes = (process.env['FAIRLEAD_BENCH_OBJECTS'] ?? '10,1000,10000').split(',').map(Number);
const voterCounts = (process.env['FAIRLEAD_BENCH_VOTERS'] ?? '1,3').split(',').map(Number);
const rounds = Number(process.env['FAIRLEAD_BENCH_ROUNDS'] ?? 100);
const warmUpRounds = 10;

interface Operation {
  readonly name: string;
  /** What is measured. */
  readonly measured: (site: ApiSite) => Promise<unknown>;
  /** Takes it back. */
  readonly undone?: (site: ApiSite) => Promise<unknown>;
}

function made(name: string, path: string, body: object): Operation {
  return {
    name,
    measured: (site) => site.ask('POST', path, body),
    undone: (site) => site.ask('DELETE', path),
  };
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
  { name: 'inspect', measured: (site) => site.ask('GET', '/api/v1/inspect/networks/default:n1/') },
  { name: 'get', measured: (site) => site.ask('GET', '/v1/networks/default/n1') },
  { name: 'list', measured: (site) => site.ask('GET', '/api/v1/networks/') },
  { name: 'list-page', measured: (site) => site.ask('GET', '/v1/networks?limit=10') },
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
      for (const operation of operations) await benchOperation(operation, sites, voters);
    } finally {
      await Promise.all(sites.map((site) => site.close()));
    }
  }
}

async function benchOperation(
  { name, measured, undone }: Operation,
  sites: readonly ApiSite[],
  voters: number,
): Promise<void> {
  const values = sites.map((): number[] => []);
  const before = sites.map(cpuOf);
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    for (const [at, site] of sites.entries()) {
      const ms = await timed(() => measured(site));
      if (round >= 0) values[at]?.push(ms);
      await undone?.(site);
    }
  }
  const [base = []] = values;
  for (const [at, site] of sites.entries()) {
    // with the removal, where there is one, and what agents do by themselves meanwhile
    const cpu = (cpuOf(site) - (before[at] ?? 0)) / (rounds + warmUpRounds);
    const versus = { name: `${sizes[0] ?? 0} objects`, values: base };
    const figure = figureOf(name, site.objects, voters);
    const more = { objects: site.objects, voters, cpuMs: Math.round(cpu * 100) / 100 };
    report({ figure, unit: 'ms', values: values[at] ?? [] }, at === 0 ? undefined : versus, more);
  }
}

const cpuOf = ({ pids }: ApiSite): number => pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
