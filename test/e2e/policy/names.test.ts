/** Names on two hosts, asked as containers ask: by Docker's own server, and others by themselves. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nameLampSeconds } from '../../../lib/limits.ts';
import { reverseName } from '../../../lib/names/reverse.ts';
import { parseAddress } from '../../../lib/ip/ip.ts';
import { gatewayAddress } from '../../lab/namespaces.ts';
import { labNames } from '../../lab/place.ts';
import { markVariable } from '../../lab/processes.ts';
import { runOk } from '../../lab/run.ts';
import { inNamespace } from '../../lab/site/cable.ts';
import { untilReaches } from '../../lab/traffic/pings.ts';
import { containerOf } from '../../lab/traffic/vantages.ts';
import { dockerOk } from '../../support/docker.ts';
import { labOfSite } from '../../support/lab-site.ts';
import { netctlOk } from '../../support/netctl.ts';
import { runContainer } from '../../support/shared-networks.ts';
import { SiteAgents } from '../../support/site-agents.ts';
import { until } from '../../support/until.ts';

const lab = labOfSite(2);
const hostOf = (name: string) => lab.host(Number(name.slice(-1)));
const support = join(import.meta.dirname, '..', '..', 'support');
const outsideAnswer = '192.0.2.55';
let agents: SiteAgents;
let server: ChildProcess;
/** What was asked outside, in order. */
let asked: string[] = [];

async function startServer(): Promise<void> {
  server = await startServerAt(inNamespace(labNames(lab.lab.prefix).outside), gatewayAddress);
}

/** A server at an address of a namespace, which is entered so. */
async function startServerAt(
  [enter = '', ...rest]: readonly string[],
  address: string,
): Promise<ChildProcess> {
  const program = join(support, 'name-server.ts');
  const command = [...rest, process.execPath, program, address, outsideAnswer];
  const env = { ...process.env, [markVariable]: lab.lab.directory };
  const started = spawn(enter, command, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const ready = Promise.withResolvers<void>();
  started.stdout?.setEncoding('utf8').on('data', (text: string) => {
    ready.resolve();
    asked.push(...text.split('\n').filter((line) => line !== '' && line !== 'ready'));
  });
  await ready.promise;
  return started;
}

/** The addresses, or the names, that a container hears from Docker's server, in order; and whether that was a refusal. */
async function lookUp(container: string, name: string): Promise<readonly string[] | 'none'> {
  const { code, stdout } = await hostOf(container).docker(
    ['exec', container, 'nslookup', ...name.split(' ')],
    { timeoutMs: 30_000 },
  );
  const found = [...stdout.matchAll(/^(?:Address(?: \d+)?: |.*\tname = |.*name = )(\S+)/gm)]
    .map(([, text = '']) => text)
    .filter((text) => !text.startsWith('127.0.0.11'));
  return code === 0 || found.length > 0 ? found.toSorted() : 'none';
}

interface Heard {
  readonly code: number;
  readonly addresses: readonly string[];
  readonly isCut: boolean;
}
/** What a program in a container hears that asks a server itself. */
async function ask(
  container: string,
  way: 'udp' | 'tcp',
  name: string,
  { of = gatewayAddress, type = 1 }: { readonly of?: string; readonly type?: number } = {},
): Promise<Heard> {
  const { net } = await containerOf(hostOf(container), container);
  const program = join(support, 'name-client.ts');
  const stdout = await runOk([
    ...['nsenter', `--net=${net}`, process.execPath, program],
    ...[way, of, name, `${type}`],
  ]);
  return JSON.parse(stdout) as Heard;
}
const types = { aaaa: 28, ptr: 12 } as const;
/** An address of IPv6 as the program writes it. */
const groups = (text: string): string =>
  (parseAddress(text).value.toString(16).padStart(32, '0').match(/.{4}/g) ?? []).join(':');

const start = (host: number, name: string, network: string, ...options: string[]) =>
  runContainer(lab.host(host), { name, network, options: ['--dns', gatewayAddress, ...options] });
const typed = (words: string) => netctlOk(lab.host(1), words);
/** Waits until a name is answered inside: the server outside has an answer for every name. */
const known = (from: string, name: string) =>
  until(
    `${from} knows ${name}`,
    async () => {
      const { code, addresses } = await ask(from, 'udp', `${name}.fairlead`);
      return (code === 0 && !addresses.includes(outsideAnswer)) || undefined;
    },
    { timeoutMs: 20_000, everyMs: 200 },
  );

beforeAll(async () => {
  agents = await SiteAgents.start(lab.hosts, { form: 'binary' });
  await startServer();
  for (const tenant of ['blue', 'red']) {
    await typed(`tenant create ${tenant}`);
    await typed(`network create -t ${tenant} -s 10.95.1.0/24 -g 10.95.1.254 web`);
  }
  await typed('network create -t blue -s 10.95.2.0/24 -g 10.95.2.254 db');
  await typed('group create -t blue web team');
  for (const host of [1, 2]) {
    await start(host, `web${host}`, 'web/blue', '--ip', `10.95.1.${host}`, '--label', 'app=web');
    await start(host, `mate${host}`, 'team/blue', '--ip', `10.95.1.1${host}`);
    await start(host, `red${host}`, 'web/red', '--ip', `10.95.1.${host}`);
  }
  await typed(
    'network create -t blue -s 10.95.3.0/24 -g 10.95.3.254 --s6 fd95:3::/64 --g6 fd95:3::fe dual',
  );
  for (const host of [1, 2]) {
    const label = ['--label', 'app=dual'];
    const ips = ['--ip', `10.95.3.${host}`, '--ip6', `fd95:3::10${host}`];
    await start(host, `dual${host}`, 'dual/blue', ...ips, ...label);
  }
  const service = '-t blue --network dual --selectors app=dual --ports 80:8080:TCP';
  const addresses = '--ip-address 10.95.3.200 --ipv6-address fd95:3::200';
  await agents.ok(lab.host(1), `service create six ${service} ${addresses}`.split(' '));
  await start(2, 'data2', 'db/blue', '--ip', '10.95.2.2', '--network-alias', 'postgres');
  await typed('service create -t blue -s web -l app=web -p 80:8080:TCP --ip 10.95.1.200 front');
  for (const name of ['web1', 'red1']) {
    const from = await containerOf(hostOf(name), name);
    await untilReaches(from, name === 'web1' ? '10.95.2.2' : '10.95.1.2');
    await untilReaches(from, gatewayAddress);
  }
  for (const name of ['web2', 'mate2', 'data2', 'postgres', 'front', 'dual2', 'six']) {
    await known('web1', name);
  }
  await known('dual1', 'dual2');
  await known('red1', 'red2');
  await known('web2', 'web1');
}, 240_000);
afterAll(() => server.stdin?.end());

describe('names of ours', () => {
  it.each([
    ['data2', ['10.95.2.2']],
    ['DATA2', ['10.95.2.2']],
    ['data2.db', ['10.95.2.2']],
    ['data2.blue', ['10.95.2.2']],
    ['data2.db.blue', ['10.95.2.2']],
    ['data2.db.blue.fairlead', ['10.95.2.2']],
    ['postgres', ['10.95.2.2']],
    ['front', ['10.95.1.200']],
    ['front.web.fairlead', ['10.95.1.200']],
    ['web2', ['10.95.1.2']],
  ])('%s is answered across hosts', async (name, addresses) => {
    asked = [];
    expect(await lookUp('web1', name)).toEqual(addresses);
    expect(asked).toEqual([]);
  });

  it('of a group are all members, on every host', async () => {
    for (const from of ['web1', 'data2']) {
      expect(await lookUp(from, 'team')).toEqual(['10.95.1.11', '10.95.1.12']);
    }
  });

  it('are given for addresses of other hosts, and an address of nobody has none', async () => {
    asked = [];
    const names = await lookUp('web1', '10.95.2.2');
    expect(names).toContain('data2.db');
    await lookUp('web1', '10.95.2.77');
    expect(reverseName(parseAddress('10.95.2.77'))).toBe('77.2.95.10.in-addr.arpa');
    expect(asked).toEqual([]);
  });

  it('are those of the tenant alone, and of none below the domain', async () => {
    asked = [];
    expect(await lookUp('red1', 'red2')).toEqual(['10.95.1.2']);
    expect(await lookUp('red1', 'data2.fairlead')).toBe('none');
    expect(await lookUp('web1', 'nobody.fairlead')).toBe('none');
    expect(asked).toEqual([]);
  });

  it('are answered by TCP, too', async () => {
    asked = [];
    expect(await ask('web1', 'tcp', 'data2')).toEqual({
      code: 0,
      addresses: ['10.95.2.2'],
      isCut: false,
    });
    expect(await ask('web1', 'tcp', 'nobody.fairlead')).toMatchObject({ code: 3 });
    expect(asked).toEqual([]);
  });

  it('have addresses of IPv6, and those have names, asked of a server of either family', async () => {
    // what listens on the other side of the tenant: TCP shakes hands with it
    const { net } = await containerOf(lab.host(2), 'dual2');
    const inside = await startServerAt(['nsenter', `--net=${net}`], 'fd95:3::102');
    const ways = [
      ['udp', gatewayAddress],
      ['udp', 'fd95:3::102'],
      ['tcp', 'fd95:3::102'],
      // nobody has it
      ['udp', '2001:db8::53'],
    ] as const;
    const from = await containerOf(lab.host(1), 'dual1');
    await untilReaches(from, 'fd95:3::102');
    for (const [way, of] of ways) {
      const heard = (name: string, type: number) => ask('dual1', way, name, { of, type });
      const said = (...addresses: string[]) => ({ code: 0, addresses, isCut: false });
      asked = [];
      expect(await heard('dual2', types.aaaa)).toEqual(said(groups('fd95:3::102')));
      expect(await heard('six', types.aaaa)).toEqual(said(groups('fd95:3::200')));
      expect(await heard('dual2', 1)).toEqual(said('10.95.3.2'));
      // has none of IPv6, and is known
      expect(await heard('data2', types.aaaa)).toEqual(said());
      const nameOf = (address: string) => heard(reverseName(parseAddress(address)), types.ptr);
      expect(await nameOf('fd95:3::102')).toEqual(said('dual2.dual'));
      expect(await nameOf('fd95:3::200')).toEqual(said('six.dual'));
      expect(await nameOf('fd95:3::77')).toMatchObject({ code: 3 });
      expect(asked).toEqual([]);
    }
    expect(await lookUp('web1', '-type=aaaa dual2')).toContain('fd95:3::102');
    expect(await lookUp('web1', 'fd95:3::102')).toContain('dual2.dual');
    expect(asked).toEqual([]);
    // the other server hears what is no name of ours
    const other = { of: 'fd95:3::102', type: types.aaaa };
    expect((await ask('dual1', 'tcp', 'some.name.test', other)).code).toBe(0);
    expect(asked).toEqual([`tcp some.name.test ${types.aaaa}`]);
    const ended = new Promise((resolve) => inside.once('exit', resolve));
    inside.stdin?.end();
    await ended;
  });

  it('go with their container, and are not asked outside from then on', async () => {
    await start(2, 'short2', 'web/blue');
    await known('web1', 'short2');
    await dockerOk(lab.host(2), ['rm', '-f', 'short2']);
    const gone = async () => (await ask('web1', 'udp', 'short2')).code === 3 || undefined;
    await until('short2 is forgotten', gone, { timeoutMs: 20_000 });
    asked = [];
    expect(await lookUp('web1', 'short2')).toBe('none');
    expect(asked).toEqual([]);
  });
});

describe('other names', () => {
  it('are asked where they would be, by UDP and by TCP', async () => {
    asked = [];
    expect(await lookUp('web1', 'some.name.test')).toEqual([outsideAnswer]);
    expect(asked).toContain('udp some.name.test 1');
    for (const way of ['udp', 'tcp'] as const) {
      const answer = { code: 0, addresses: [outsideAnswer], isCut: false };
      expect(await ask('web2', way, `${way}.name.test`)).toEqual(answer);
      expect(asked).toContain(`${way} ${way}.name.test 1`);
    }
  });

  it('are asked of a server of the tenant, too, as are names of ours', async () => {
    // nobody listens there, and that is what is heard
    const { net } = await containerOf(lab.host(1), 'web1');
    const program = join(support, 'name-client.ts');
    const command = ['nsenter', `--net=${net}`, process.execPath, program, 'udp', '10.95.2.2'];
    const heard = async (name: string) =>
      (JSON.parse(await runOk([...command, name])) as Heard).code;
    expect(await heard('data2')).toBe(0);
    expect(await heard('some.name.test')).toBe(-1);
  });
});

describe('without', () => {
  it('anybody outside, names of ours are answered at once', async () => {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.stdin?.end();
    await ended;
    const before = performance.now();
    expect(await lookUp('web1', 'data2')).toEqual(['10.95.2.2']);
    expect(await lookUp('web1', 'nobody.fairlead')).toBe('none');
    expect(performance.now() - before).toBeLessThan(2_500);
    await startServer();
  });

  it('an agent, names outside are answered; with it again, names of ours are', async () => {
    await agents.kill(lab.host(1));
    const started = performance.now();
    await until(
      'names are asked outside',
      async () => (await ask('web1', 'udp', 'some.name.test')).code === 0 || undefined,
      { timeoutMs: 20_000, everyMs: 50 },
    );
    const tookMs = performance.now() - started;
    process.stderr.write(`names: outside again ${Math.round(tookMs)} ms after the agent died\n`);
    // a question that was lost is waited for three seconds here
    expect(tookMs).toBeLessThan(nameLampSeconds * 1_000 + 1_000 + 3_500);
    expect(await lookUp('web1', 'some.name.test')).toEqual([outsideAnswer]);
    await agents.start(lab.host(1));
    await known('web1', 'data2');
    asked = [];
    expect(await lookUp('web1', 'data2')).toEqual(['10.95.2.2']);
    expect(asked).toEqual([]);
  });

  it('an agent that is stopped and started, no question is lost', async () => {
    let isBack = false;
    const restarted = agents.restart(lab.host(1), 'SIGTERM').then(() => (isBack = true));
    const heard: Heard[] = [];
    // on a slow machine an agent is back before a second program has begun to ask
    while (!isBack || heard.length < 3) heard.push(await ask('web1', 'udp', 'some.name.test'));
    await restarted;
    expect(heard).toEqual(heard.map(() => ({ code: 0, addresses: [outsideAnswer], isCut: false })));
    await known('web1', 'data2');
  });
});
