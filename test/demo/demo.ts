/**
 * The demo: from nothing to two networks and four containers on a real engine and a real Open vSwitch,
 * through the single-file binary, and a table of who reaches whom. Leaves nothing behind, unless asked
 * to keep everything (`--keep`).
 */
import { openLab } from '../lab/lab.ts';
import type { LabHost } from '../lab/host.ts';
import { startAgent } from '../support/agent-process.ts';
import { dockerOk, networkCommand } from '../support/docker.ts';
import { addressOf, pings } from '../support/ping.ts';

const networks = { blue: ['anna', 'ben'], green: ['carl', 'dora'] } as const;
const keep = process.argv.includes('--keep');
const lab = openLab(keep ? { prefix: 'demo' } : {});
const started = performance.now();

function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
  process.stderr.write(`[${seconds} s] ${line}\n`);
}

interface Cell {
  readonly from: string;
  readonly to: string;
  readonly how: 'address' | 'name';
  readonly expected: boolean;
  readonly reached: boolean;
}

async function build(host: LabHost): Promise<void> {
  say('starting the agent (the single-file binary)');
  await startAgent(host, 'binary');
  say('bringing an image of busybox to the engine');
  const image = await host.image();
  for (const [network, containers] of Object.entries(networks)) {
    say(`docker network create -d fairlead --ipam-driver fairlead ${network}`);
    await dockerOk(host, networkCommand(network));
    for (const name of containers) {
      say(`docker run -d --network ${network} --name ${name}`);
      await dockerOk(host, [
        'run',
        '-d',
        '--network',
        network,
        '--name',
        name,
        '--hostname',
        name,
        image,
        'sleep',
        '1000000',
      ]);
    }
  }
}

async function measure(host: LabHost): Promise<readonly Cell[]> {
  say('pinging from each container to each other, by address and by name');
  const places = await Promise.all(
    Object.entries(networks).flatMap(([network, containers]) =>
      containers.map(async (name) => ({
        name,
        network,
        address: await addressOf(host, name, network),
      })),
    ),
  );
  const cells = places.flatMap((from) =>
    places
      .filter((to) => to !== from)
      .flatMap((to) =>
        (['address', 'name'] as const).map(async (how): Promise<Cell> => ({
          from: from.name,
          to: to.name,
          how,
          expected: from.network === to.network,
          reached: await pings(host, from.name, how === 'address' ? to.address : to.name),
        })),
      ),
  );
  const done = await Promise.all(cells);
  print(places, done);
  return done;
}

function print(
  places: readonly { name: string; network: string; address: string }[],
  cells: readonly Cell[],
): void {
  const width = 20;
  const head = places.map(({ name, network }) => `${name} (${network})`.padEnd(width)).join('');
  const out = [`\n${'from \\ to'.padEnd(30)}${head}`];
  for (const from of places) {
    const row = places.map((to) => {
      if (to === from) return '-'.padEnd(width);
      const found = cells.filter((cell) => cell.from === from.name && cell.to === to.name);
      const words = found.map(({ how, reached }) => `${how} ${reached ? 'yes' : 'no'}`);
      return words.join(', ').replace('address', 'addr').padEnd(width);
    });
    out.push(`${`${from.name} ${from.address} (${from.network})`.padEnd(30)}${row.join('')}`);
  }
  process.stdout.write(`${out.join('\n')}\n\n`);
}

async function demo(): Promise<number> {
  let failed = true;
  try {
    say('building a host with its own Open vSwitch and Docker');
    const [host] = await lab.up(1, { progress: say });
    if (host === undefined) throw new Error('the lab has no host');
    await build(host);
    const cells = await measure(host);
    const wrong = cells.filter(({ expected, reached }) => expected !== reached);
    failed = wrong.length > 0;
    for (const { from, to, how } of wrong) say(`WRONG: ${from} to ${to} by ${how}`);
    say(failed ? 'not as it should be' : 'same network: yes; other network: no. As it should be.');
    if (keep) explain(host);
    return failed ? 1 : 0;
  } finally {
    if (!keep || failed) {
      say('taking everything down');
      await lab.down();
    }
  }
}

function explain(host: LabHost): void {
  const agent = host.agentEnvironment();
  process.stdout.write(
    [
      'It is still there. To use it:',
      `  docker -H unix://${host.dockerSocket} ps`,
      `  docker -H unix://${host.dockerSocket} exec -it anna sh`,
      `  ovs-vsctl --db=unix:${host.ovsDb} show`,
      `  curl --unix-socket ${agent['FAIRLEAD_API_SOCKET']} http://fairlead/v1/host/endpoints`,
      `  less ${host.logFile('agent')}`,
      'To remove it:',
      '  npm run lab -- --prefix demo down',
      '',
    ].join('\n'),
  );
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say('stopping');
    void lab.down().finally(() => process.exit(130));
  });
}
process.exitCode = await demo();
