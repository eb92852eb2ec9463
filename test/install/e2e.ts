/**
 * Fairlead installed as an operator does: `npm run e2e:install`. A Debian with real systemd, Docker and Open vSwitch is
 * booted in namespaces without a network; each step says whether what it claims is so. Needs root, debootstrap and,
 * the first time, a Debian mirror for the base system (kept in dist/install-base).
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBundle } from '../../lib/bundle/bundle.ts';

const root = resolve(import.meta.dirname, '../..');
const base = join(root, 'dist/install-base');
const work = mkdtempSync(join(tmpdir(), 'fairlead-install-e2e-'));
const share = join(work, 'upper/opt/share');
const target = `linux-${process.arch}`;
const say = (line: string) => process.stdout.write(`${line}\n`);

/** Packages of the system besides the smallest Debian. */
const packages =
  'systemd,systemd-sysv,dbus,iproute2,iptables,kmod,procps,udev,docker.io,openvswitch-switch,libstdc++6,busybox-static,curl,openssl,nftables';

function prepareBase(): void {
  if (existsSync(base)) return;
  say('making the base system');
  const partial = `${base}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const args = ['--variant=minbase', `--include=${packages}`, 'bookworm', partial];
  execFileSync('debootstrap', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  writeFileSync(join(partial, 'etc/hostname'), 'installed\n');
  writeFileSync(join(partial, 'etc/machine-id'), '');
  mkdirSync(join(partial, 'etc/docker'), { recursive: true });
  const parent = { 'cgroup-parent': '/fairlead-install/docker' };
  writeFileSync(join(partial, 'etc/docker/daemon.json'), JSON.stringify(parent));
  rmSync(join(partial, 'usr/sbin/policy-rc.d'), { force: true });
  rmSync(join(partial, 'etc/systemd/system/getty.target.wants'), { recursive: true, force: true });
  // no terminal here, and no clock of its own
  for (const unit of ['console-getty.service', 'systemd-timesyncd.service', 'apt-daily.timer']) {
    symlinkSync('/dev/null', join(partial, 'etc/systemd/system', unit));
  }
  renameSync(partial, base);
}

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

let machine: ChildProcess | undefined;
let init = 0;

/** The first process of the machine: the child of unshare, which became init. */
function initOf(parent: number): number | undefined {
  const path = `/proc/${parent}/task/${parent}/children`;
  const [child] = readFileSync(path, 'utf8').trim().split(' ');
  if (child === undefined || child === '') return undefined;
  return readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'systemd'
    ? Number(child)
    : undefined;
}

async function boot(): Promise<void> {
  const script = join(import.meta.dirname, 'boot.sh');
  machine = spawn('bash', [script, base, work], { stdio: 'ignore', detached: true });
  const { pid = 0 } = machine;
  for (let round = 0; round < 300; round++) {
    await sleep(100);
    try {
      const found = initOf(pid);
      if (found === undefined) continue;
      init = found;
      const { out } = inside('systemctl is-system-running --wait');
      if (/running|degraded/.test(out)) return;
    } catch {
      // not there yet
    }
  }
  throw new Error('the machine did not boot');
}

async function halt(): Promise<void> {
  if (machine === undefined) return;
  const ended = new Promise((done) => machine?.once('exit', done));
  inside('systemctl poweroff');
  await ended;
  machine = undefined;
}

/** The cgroups that boot.sh and the machine made; folders that are empty of processes, deepest first. */
function removeGroups(): void {
  const find = 'find /sys/fs/cgroup -maxdepth 2 -name fairlead-install -type d';
  spawnSync('sh', ['-c', `for g in $(${find}); do find $g -depth -type d -exec rmdir {} +; done`]);
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
}

/** Runs a line of shell inside; output and errors together. */
function inside(line: string): Ended {
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const args = ['-t', String(init), '-a', 'env', '-i', path, 'HOME=/', 'sh', '-c'];
  const { status, stdout } = spawnSync('nsenter', [...args, `exec 2>&1; cd /opt/share; ${line}`], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  return { code: status, out: stdout };
}

let failures = 0;

/** Says whether a claim holds; what was printed follows when it does not. */
function check(claim: string, isSo: boolean, evidence = ''): void {
  if (!isSo) failures++;
  say(`${isSo ? 'ok    ' : 'FAILED'} ${claim}`);
  if (!isSo) say(evidence);
}

/** A line of shell that must end well, or with an error line that says `reason`. */
function must(claim: string, line: string, reason?: RegExp): Ended {
  const ended = inside(line);
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

async function steps(): Promise<void> {
  prepareBase();
  await prepareShare();
  await boot();
  const before = listing();
  refusals(before);
  fromWebServer(before);
  must('installs from a bundle without a network', install);
  must('the service is ready', 'systemctl is-active fairlead.service fairlead.socket');
  must('the same again changes nothing', `${install} | grep 'is installed already'`);
  makeContainers();
  upgradeUnderPing();
  await halt();
  await boot();
  must('after a reboot the containers are back and ping', 'docker exec one ping -c 2 two');
  must(
    '… and boot waited for nothing',
    'systemctl show -P ActiveState fairlead docker | grep -c active',
  );
  must(
    'after systemctl restart docker they are, too',
    'systemctl restart docker && docker exec one ping -c 2 two',
  );
  must(
    'purge refuses while containers use it',
    'sh install.sh uninstall --purge',
    /has containers/,
  );
  inside('docker rm -f one two && docker rmi image');
  must('purge', 'sh install.sh uninstall --purge');
  const after = listing();
  writeFileSync(join(work, 'before'), before);
  writeFileSync(join(work, 'after'), after);
  const difference = spawnSync('diff', [join(work, 'before'), join(work, 'after')], {
    encoding: 'utf8',
  });
  check('the host is as it was', after === before, difference.stdout);
}

try {
  await steps();
} catch (thrown) {
  check('the run ends', false, thrown instanceof Error ? (thrown.stack ?? '') : String(thrown));
} finally {
  await halt().catch(() => undefined);
  removeGroups();
  rmSync(work, { recursive: true, force: true });
}
say(failures === 0 ? 'all of it holds' : `${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
