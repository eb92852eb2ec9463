/** What a person does to a site by hand: `npm run lab -- link h1 eth1 down`. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { LabHost } from '../host.ts';
import type { Lab } from '../lab.ts';
import { sitePlanSchema, type SiteWish } from './plan.ts';

/** Options of `up` that make a site. */
export interface SiteOptions {
  readonly hosts?: number;
  readonly mtu: number;
  readonly switch: NonNullable<SiteWish['switch']>;
  readonly bond: NonNullable<SiteWish['bond']>;
}

/** Machines that stand beside the hosts of a lab made by hand. */
const machines: SiteWish['machines'] = [
  {
    name: 'shop',
    links: [{ vlan: 10, addresses: ['10.10.0.1/24', 'fd10::1/64'] }],
    routes: [
      { to: 'default', via: '10.10.0.254' },
      { to: 'default', via: 'fd10::fe' },
    ],
  },
  {
    name: 'office',
    links: [{ vlan: 0, addresses: ['10.20.0.1/24', 'fd20::1/64'] }],
    routes: [
      { to: 'default', via: '10.20.0.254' },
      { to: 'default', via: 'fd20::fe' },
    ],
  },
  {
    name: 'router',
    forwards: true,
    links: [
      { vlan: 10, addresses: ['10.10.0.254/24', 'fd10::fe/64'] },
      { vlan: 0, addresses: ['10.20.0.254/24', 'fd20::fe/64'] },
    ],
  },
];

/** Adds the options of a site to `up`. */
export function addSiteOptions(command: Command, hostCount: (text: string) => number): Command {
  return command
    .option('--hosts <number>', 'build a site: hosts on br-phy, a switch, machines', hostCount)
    .option('--mtu <bytes>', 'MTU of all cables of the site', readNumber, 1500)
    .addOption(
      new Option('--switch <kind>', 'what the uplinks eth1 and eth2 are plugged into')
        .choices(['ovs', 'bridge'])
        .default('ovs'),
    )
    .addOption(
      new Option('--bond <kind>', 'what the switch makes of the two uplinks of a host')
        .choices(['none', 'active-backup', 'lacp'])
        .default('none'),
    );
}

/** The site that options ask for; `undefined` without `--hosts`. */
export function siteOf(options: SiteOptions): SiteWish | undefined {
  if (options.hosts === undefined) return undefined;
  const { mtu, bond } = options;
  const wish = { mtu, bond, switch: options.switch };
  return sitePlanSchema.parse(options.switch === 'ovs' ? { ...wish, machines } : wish);
}

/** Adds the commands that break a site and mend it. */
export function addSiteCommands(program: Command, lab: () => Lab): void {
  const host = (name: string): LabHost => lab().host(name);

  program
    .command('link')
    .argument('<host>', 'h1, or 1')
    .addArgument(program.createArgument('<nic>', 'eth0: underlay').choices(nics))
    .addArgument(program.createArgument('<state>', 'of its cable').choices(['up', 'down']))
    .description('pull the cable of a NIC at its far end, or plug it in')
    .action((name: string, nic: 'eth0', state: 'up') => lab().site.setLink(host(name), nic, state));

  program
    .command('isolate')
    .argument('<host>', 'h1, or 1')
    .description('lose everything between a host and all others on the underlay, and tell nobody')
    .action((name: string) => lab().site.isolate(host(name)));

  program
    .command('heal')
    .description('the underlay loses nothing any more')
    .action(() => lab().site.setCuts([]));

  program
    .command('crash')
    .argument('<host>', 'h1, or 1')
    .description('a host loses its power')
    .action((name: string) => lab().site.crash(host(name)));

  program
    .command('boot')
    .argument('<host>', 'h1, or 1')
    .option('--lost', 'the database of Open vSwitch is new', false)
    .description('a host that lost its power comes back, without an agent')
    .action((name: string, { lost }: { lost: boolean }) =>
      lab().site.boot(host(name), { database: lost ? 'lost' : 'kept' }),
    );

  program
    .command('renumber')
    .argument('<host>', 'h1, or 1')
    .argument('<ipv4>', 'new address on the underlay, of 198.18.0.0/24')
    .argument('<ipv6>', 'new address on the underlay, of fd00:198:18::/64')
    .description('give a host other addresses')
    .action((name: string, ipv4: string, ipv6: string) =>
      lab().site.renumber(host(name), { ipv4, ipv6 }),
    );

  program
    .command('machine')
    .argument('<name>', 'as in status')
    .argument('<command...>', 'command with its arguments')
    .passThroughOptions()
    .description('run a command on a machine beside the hosts')
    .action(async (name: string, command: string[]) => {
      const outcome = await lab().site.machine(name).exec(command, { terminal: 'inherit' });
      process.exitCode = outcome.code;
    });
}

/** Lines of `status` about a site. */
export function describeSite({ site }: Lab): readonly string[] {
  const { plan } = site;
  return [
    `site    MTU ${plan.mtu}, switch ${plan.switch}, bond ${plan.bond}`,
    ...plan.machines.map(({ name, links, forwards }) => {
      const ports = links.map(
        ({ vlan, addresses }) =>
          `${vlan === 0 ? 'native' : `VLAN ${vlan}`}: ${addresses.join(' ')}`,
      );
      return `machine ${name}  ${ports.join('; ')}${forwards ? '  (router)' : ''}`;
    }),
  ];
}

const nics = ['eth0', 'eth1', 'eth2'];

function readNumber(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('a number.');
  return Number(text);
}
