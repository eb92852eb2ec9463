/**
 * Fairlead installed as an operator does: `npm run e2e:install`. Debians with real systemd, Docker and Open vSwitch are
 * booted in namespaces without a network; each step says whether what it claims is so. Needs root, debootstrap and,
 * the first time, a Debian mirror for the base system (kept in dist/install-base). `-- one` is the part with one host,
 * `-- two` that with two, `-- engines` that of managed plugins and swarms on this machine's engine and newer ones
 * (`test/lab/engines.ts`); without a part, all.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createBundle } from '../../lib/bundle/bundle.ts';
import { labDatapath } from '../lab/datapath.ts';
import { baseSystem } from './base.ts';
import { Machine, plug, removeGroups, type Ended } from './machine.ts';

const root = resolve(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'fairlead-install-e2e-'));
/** What is handed to the hosts. */
const share = join(work, 'share');
const target = `linux-${process.arch}`;
const say = (line: string) => process.stdout.write(`${line}\n`);

/** Two releases: what is built here, and the same with another name; and an image to run. */
async function prepareShare(): Promise<void> {
  const out = join(work, 'release');
  const release = ['.ci/release/release.ts', '--targets', target, '--out', out];
  execFileSync('bun', release, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  mkdirSync(share, { recursive: true });
  for (const name of ['install.sh', 'SHA256SUMS', `fairlead-${target}.tar.gz`]) {
    copyFileSync(join(out, name), join(share, name));
  }
  const staged = join(work, 'staged');
  mkdirSync(staged);
  execFileSync('tar', ['-xzf', join(out, `fairlead-${target}.tar.gz`), '-C', staged]);
  const [name = ''] = readdirSync(staged);
  const version = join(staged, name, 'VERSION');
  const lines = readFileSync(version, 'utf8').split('\n').slice(1);
  for (const [file, first] of [
    ['next', `fairlead-9.9.9-${target}`],
    ['foreign', 'fairlead-9.9.9-linux-riscv64'],
  ] as const) {
    writeFileSync(version, [first, ...lines].join('\n'));
    await createBundle({ folder: join(staged, name), output: join(share, `${file}.tar.gz`) });
  }
  const bundle = readFileSync(join(share, 'next.tar.gz'));
  bundle.writeUInt8(bundle.readUInt8(bundle.length >> 1) ^ 1, bundle.length >> 1);
  writeFileSync(join(share, 'damaged.tar.gz'), bundle);
  copyFileSync(join(import.meta.dirname, 'listing.sh'), join(share, 'listing.sh'));
}

const base = baseSystem();
const first = new Machine({ name: 'installed', base, work: join(work, 'installed') });
const second = new Machine({ name: 'joined', base, work: join(work, 'joined') });
const inside = (line: string): Ended => first.run(line);

/** The same files for a host, once on the disk. */
function handOver(machine: Machine): void {
  execFileSync('cp', ['-al', `${share}/.`, machine.share]);
}

let failures = 0;

/** Says whether a claim holds; what was printed follows when it does not. */
function check(claim: string, isSo: boolean, evidence = ''): void {
  if (!isSo) failures++;
  say(`${isSo ? 'ok    ' : 'FAILED'} ${claim}`);
  if (!isSo) say(evidence);
}

/** A line of shell that must end well, or with an error line that says `reason`. */
function must(claim: string, line: string, reason?: RegExp, run = inside): Ended {
  const ended = run(line);
  const isSo =
    reason === undefined
      ? ended.code === 0
      : ended.code !== 0 && reason.test(ended.out) && ended.out.match(/^error: /gm)?.length === 1;
  check(claim, isSo, ended.out);
  return ended;
}

const install = `sh install.sh --bundle fairlead-${target}.tar.gz`;
const listing = () => inside('sh listing.sh').out;

function refusals(before: string): void {
  const hidden = (path: string) =>
    `unshare -m sh -c 'mount --bind /dev/null ${path} && ${install}'`;
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['a damaged bundle', 'sh install.sh --bundle damaged.tar.gz', /damaged|SHA256SUMS/],
    ['a bundle for another machine', 'sh install.sh --bundle foreign.tar.gz', /another machine/],
    ['who is not root', `setpriv --reuid 65534 --clear-groups ${install}`, /not root/],
    [
      'a full disk',
      `unshare -m sh -c 'mount -t tmpfs -o size=20m none /usr/local/lib && ${install}'`,
      /make room/,
    ],
    ['a host without Open vSwitch', hidden('/usr/bin/ovs-vsctl'), /no Open vSwitch/],
    [
      'a host without libstdc++',
      `unshare -m sh -c 'mkdir /run/empty; cd /; for f in $(find /lib /usr/lib -name "libstdc++.so.6*"); do mv $f $f.away; done; cd /opt/share; ${install}; code=$?; for f in $(find /lib /usr/lib -name "libstdc++*.away"); do mv $f \${f%.away}; done; exit $code'`,
      /libstdc\+\+/,
    ],
    [
      'an old Docker',
      `mkdir -p /run/old; printf '#!/bin/sh\\necho 19.03.1\\n' >/run/old/docker; chmod 755 /run/old/docker; PATH=/run/old:$PATH ${install}`,
      /19\.03\.1 is too old/,
    ],
  ];
  for (const [what, line, reason] of cases) must(`${what} is refused in one line`, line, reason);
  check('… and nothing was changed', listing() === before);
}

function fromWebServer(before: string): void {
  inside('busybox httpd -p 127.0.0.1:8000 -h /opt/share');
  const size = readFileSync(join(share, 'install.sh')).length;
  let worst = '';
  for (let round = 0; round < 20; round++) {
    const bytes = 1 + Math.floor(Math.random() * (size - 2));
    inside(
      `curl -fsS http://127.0.0.1:8000/install.sh | head -c ${bytes} | sh -s -- --url http://127.0.0.1:8000`,
    );
    if (inside('test -e /usr/local/bin/fairlead -o -e /usr/local/lib/fairlead').code === 0) {
      worst = `cut at byte ${bytes}`;
    }
  }
  check('curl | sh that is cut at 20 places installs nothing', worst === '', worst);
  check('… and changes nothing', listing() === before);
  must(
    'curl | sh installs from a web server on loopback',
    'curl -fsS http://127.0.0.1:8000/install.sh | sh -s -- --url http://127.0.0.1:8000',
  );
  must('… and uninstall --purge removes it', 'sh install.sh uninstall --purge');
  inside('kill $(pidof busybox)');
}

function makeContainers(): void {
  must(
    'an image is made',
    'mkdir -p /run/image/bin && cp /bin/busybox /run/image/bin/ && for a in sh ping sleep; do ln -s busybox /run/image/bin/$a; done; tar -C /run/image -c . | docker import - image',
  );
  must('a network is made', 'docker network create -d fairlead --ipam-driver fairlead blue');
  for (const name of ['one', 'two']) {
    const options = `-d --restart always --name ${name} --network blue`;
    must(`container ${name} starts`, `docker run ${options} image sleep 100000`);
  }
  must('they ping', 'docker exec one ping -c 2 two');
}

function upgradeUnderPing(): void {
  inside('docker exec one ping -i 0.1 two >/run/ping.log 2>&1 & echo $! >/run/ping.pid');
  must('upgrade to the next version', 'sh install.sh upgrade --bundle next.tar.gz');
  must('a container starts right after', 'docker run --rm --network blue image ping -c 1 one');
  must('rollback', 'sh install.sh rollback');
  const { out } = inside(
    'docker exec one sh -c "kill -INT \\$(pidof ping)"; sleep 1; tail -n 3 /run/ping.log',
  );
  check('no packet was lost meanwhile', / 0% packet loss/.test(out), out);
}

/** A NIC of the host that is not in use; its other end is the wire. */
const addNic =
  'ip link add nic9 type veth peer name wire9 && ip link set wire9 up && ip link set nic9 up && ip link set nic9 down';

/** A managed plugin from the installed folder, and an uplink: things that a purge has to take along, too. */
function makeMore(): void {
  must(
    'a managed plugin is made from the installed folder',
    'docker plugin create site/net:1 /usr/local/lib/fairlead/current/plugin/shim && docker plugin set site/net:1 FAIRLEAD_PLUGIN_SCOPE=local && docker plugin enable site/net:1',
  );
  must(
    '… and serves a network',
    'docker network create -d site/net:1 --ipam-driver site/net:1 green && docker run --rm --network green image ping -c 1 $(docker network inspect -f "{{(index .IPAM.Config 0).Gateway}}" green)',
  );
  must('a NIC becomes an uplink', `${install} --uplinks nic9`);
  must(
    '… and is one',
    'for n in 1 2 3 4 5 6 7 8 9 10; do ovs-vsctl list-ifaces br-fl-uplink 2>/dev/null | grep -qx nic9 && grep -qx 1 /proc/sys/net/ipv6/conf/nic9/disable_ipv6 && exit 0; sleep 1; done; journalctl -u fairlead -n 20; exit 1',
  );
  must(
    'completions and man pages are there',
    'ls /usr/local/share/man/man1/fairlead-agent.1 /usr/local/share/bash-completion/completions/fairlead /usr/local/share/bash-completion/completions/netctl',
  );
  must(
    'levels of the log change while it runs',
    "fairlead log level debug ovsdb | grep -E '^ovsdb +debug'",
  );
}

const plainNic = (address: string) => `ip address add ${address} dev site0 && ip link set site0 up`;

/** A switch in user space sends to other hosts by a NIC of its own; the kernel must not hear on that. */
const switchedNic = (address: string) =>
  [
    "nft 'table netdev phy { chain ingress { type filter hook ingress device site0 priority 0; drop; }; }'",
    'ovs-vsctl add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy site0',
    `ip link set site0 up && ip address add ${address} dev br-phy && ip link set br-phy up`,
  ].join(' && ');

/** A second host joins by what the installer does with a token, in one command. */
async function joins(): Promise<void> {
  handOver(second);
  await second.boot();
  plug('site0', first, second);
  const there = (line: string): Ended => second.run(line);
  const isKernels = (await labDatapath()) === 'system';
  for (const [run, address] of [
    [inside, '10.99.0.1/24'],
    [there, '10.99.0.2/24'],
  ] as const) {
    must(
      'a host is on the site',
      isKernels ? plainNic(address) : switchedNic(address),
      undefined,
      run,
    );
  }
  must('the first host is installed', install);
  const made = must(
    'it prints a token',
    'fairlead cluster token --listen 10.99.0.1:8470 --advertise 10.99.0.1:8470',
  );
  const token = /fairlead1\.\S+/.exec(made.out)?.[0] ?? '';
  must(
    'the second is installed and joins by one command',
    `${install} --join ${token}`,
    undefined,
    there,
  );
  must(
    'both say that they are one cluster',
    'fairlead cluster members | grep -c -e installed -e joined | grep -qx 2',
  );
  must(
    '… the second, too',
    'fairlead cluster members | grep -c -e installed -e joined | grep -qx 2',
    undefined,
    there,
  );
  const create =
    'docker network create -d fairlead --ipam-driver fairlead --subnet 10.70.0.0/24 -o network=shop --ipam-opt network=shop shop';
  const image =
    'mkdir -p /run/image/bin && cp /bin/busybox /run/image/bin/ && for a in sh ping sleep; do ln -sf busybox /run/image/bin/$a; done; tar -C /run/image -c . | docker import - image';
  for (const run of [inside, there]) {
    must('a network that both share is made', `${image} && ${create}`, undefined, run);
  }
  must(
    'a container starts on the second',
    'docker run -d --name far --network shop image sleep 100000',
    undefined,
    there,
  );
  const far = there(
    "docker inspect -f '{{.NetworkSettings.Networks.shop.IPAddress}}' far",
  ).out.trim();
  const reached = inside(
    `docker run --rm --network shop image sh -c 'for n in 1 2 3 4 5 6 7 8 9 10; do ping -c 1 -W 1 ${far} && exit 0; done; exit 1'`,
  );
  const seen = [inside, there].map(
    (run) =>
      run(
        'fairlead cluster status; fairlead cluster members; journalctl -u fairlead --no-pager | tail -n 40; fairlead node list; curl -s --unix-socket /run/fairlead/api.sock http://f/v1/health; ovs-vsctl show; ip -br address; ip route',
      ).out,
  );
  check('one on the first reaches it', reached.code === 0, [reached.out, ...seen].join('\n'));
  there('docker rm -f far');
  for (const run of [there, inside])
    must('purge', 'sh install.sh uninstall --purge', undefined, run);
}

/** One host, from its first installation to the last trace. */
async function oneHost(): Promise<void> {
  inside(addNic);
  const before = listing();
  refusals(before);
  fromWebServer(before);
  must('installs from a bundle without a network', install);
  must('the service is ready', 'systemctl is-active fairlead.service fairlead.socket');
  must('the same again changes nothing', `${install} | grep 'is installed already'`);
  makeContainers();
  upgradeUnderPing();
  await first.halt();
  await first.boot();
  inside(addNic);
  must('after a reboot the containers are back and ping', 'docker exec one ping -c 2 two');
  must(
    '… and boot waited for nothing',
    'systemctl show -P ActiveState fairlead docker | grep -c active',
  );
  must(
    'after systemctl restart docker they are, too',
    'systemctl restart docker && docker exec one ping -c 2 two',
  );
  makeMore();
  must(
    'purge refuses while containers use it',
    'sh install.sh uninstall --purge',
    /has containers/,
  );
  inside('docker rm -f one two && docker rmi image');
  const purged = must('purge', 'sh install.sh uninstall --purge');
  check('… says that the plugin is gone', purged.out.includes('plugin site/net:1'), purged.out);
  const after = listing();
  writeFileSync(join(work, 'before'), before);
  writeFileSync(join(work, 'after'), after);
  const difference = spawnSync('diff', [join(work, 'before'), join(work, 'after')], {
    encoding: 'utf8',
  });
  check('the host is as it was', after === before, difference.stdout);
}

const parts = ['one', 'two', 'engines'] as const;

/** All of it, or these parts. */
async function steps(asked: readonly string[]): Promise<void> {
  const unknown = asked.find((word) => !parts.some((part) => part === word));
  if (unknown !== undefined) throw new Error(`no part ${unknown}; there are ${parts.join(', ')}`);
  const isAsked = (part: (typeof parts)[number]): boolean =>
    asked.length === 0 || asked.includes(part);
  if (isAsked('one') || isAsked('two')) {
    await prepareShare();
    handOver(first);
    await first.boot();
    if (isAsked('one')) await oneHost();
    if (isAsked('two')) await joins();
    for (const machine of [first, second]) await machine.halt();
  }
  if (isAsked('engines')) {
    const { status } = spawnSync('npm', ['run', 'e2e:engines'], { cwd: root, stdio: 'inherit' });
    check('managed plugins and swarms on every engine', status === 0);
  }
}

try {
  await steps(process.argv.slice(2));
} catch (thrown) {
  check('the run ends', false, thrown instanceof Error ? (thrown.stack ?? '') : String(thrown));
} finally {
  for (const machine of [first, second]) await machine.halt().catch(() => undefined);
  removeGroups();
  rmSync(work, { recursive: true, force: true });
}
say(failures === 0 ? 'all of it holds' : `${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
