/**
 * What the virtual machine boots: Debian's kernel for clouds, which has the kernel's part of Open vSwitch, and a
 * file system with what the lab needs. Made once, from the package mirrors that this machine uses, and kept.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { labPackages } from '../lab/packages.ts';
import { run, runOk } from '../lab/run.ts';

/** Where it is kept; changed with what is in it. */
const folder = join(tmpdir(), 'fairlead-vm-1');
const suite = 'bookworm';
const kernelPackage = 'linux-image-cloud-amd64';
const makingMs = 1_800_000;
/** Modules between the kernel and its disk. */
const diskModules =
  /\/(virtio|virtio_ring|virtio_pci|virtio_pci_legacy_dev|virtio_pci_modern_dev|virtio_blk)\.ko$/;
const diskSize = '12G';

/** The files that the machine is started with. */
export interface Base {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** The machine's files, made when they are not there. */
export async function baseOf(say: (line: string) => void): Promise<Base> {
  const base: Base = {
    disk: join(folder, 'disk.img'),
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd.gz'),
  };
  if (Object.values(base).every((file) => existsSync(file))) return base;
  const work = join(folder, 'work');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  say('makes the file system of the virtual machine; this takes minutes, once');
  const root = join(work, 'root');
  await debootstrap(root);
  await addKernel(work, root);
  await makeInitrd(work, root, base.initrd);
  renameSync(join(work, 'vmlinuz'), base.kernel);
  mkdirSync(join(root, 'project'));
  await makeDisk(root, base.disk, diskSize);
  rmSync(work, { recursive: true, force: true });
  return base;
}

/** A file system image with the content of a folder. */
export async function makeDisk(content: string, file: string, size: string): Promise<void> {
  rmSync(file, { force: true });
  const making = [
    'mkfs.ext4',
    '-q',
    '-F',
    '-O',
    '^has_journal',
    '-d',
    content,
    `${file}.new`,
    size,
  ];
  rmSync(`${file}.new`, { force: true });
  await runOk(making, { timeoutMs: makingMs });
  renameSync(`${file}.new`, file);
}

async function debootstrap(root: string): Promise<void> {
  const format = ['--format', '$(REPO_URI) $(CODENAME)'];
  const mirrors = (await runOk(['apt-get', 'indextargets', ...format])).split('\n');
  const mirror = mirrors.find((line) => line.endsWith(` ${suite}`))?.split(' ')[0];
  if (mirror === undefined) throw new Error(`no package source of this machine has ${suite}`);
  const include = ['kmod', 'ca-certificates', ...labPackages()].join(',');
  await runOk(['debootstrap', '--variant=minbase', `--include=${include}`, suite, root, mirror], {
    timeoutMs: makingMs,
  });
  rmSync(join(root, 'var/cache/apt/archives'), { recursive: true, force: true });
}

async function addKernel(work: string, root: string): Promise<void> {
  const depends = await runOk(['apt-cache', 'depends', kernelPackage]);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new Error(`no package ${kernelPackage}: run apt-get update`);
  // apt-get writes to the folder it is started in
  await runOk(['sh', '-c', 'cd "$1" && apt-get -q download "$2"', 'sh', work, name]);
  const packageFile = readdirSync(work).find((file) => file.endsWith('.deb'));
  if (packageFile === undefined) throw new Error(`${name} was not downloaded`);
  const unpacked = join(work, 'kernel');
  await runOk(['dpkg', '-x', join(work, packageFile), unpacked]);
  const version = name.slice('linux-image-'.length);
  renameSync(join(unpacked, 'boot', `vmlinuz-${version}`), join(work, 'vmlinuz'));
  cpSync(join(unpacked, 'lib/modules'), join(root, 'lib/modules'), { recursive: true });
  await runOk(['depmod', '-b', root, version], { timeoutMs: makingMs });
}

async function makeInitrd(work: string, root: string, file: string): Promise<void> {
  const early = join(work, 'early');
  for (const name of ['bin', 'sbin', 'dev', 'proc', 'modules']) {
    mkdirSync(join(early, name), { recursive: true });
  }
  const busybox = join(root, 'bin/busybox');
  cpSync(busybox, join(early, 'bin/busybox'));
  for (const name of ['sh', 'mount', 'umount', 'insmod', 'mkdir', 'switch_root']) {
    symlinkSync('busybox', join(early, 'bin', name));
  }
  for (const module of readdirSync(join(root, 'lib/modules'), {
    recursive: true,
    encoding: 'utf8',
  })) {
    if (!diskModules.test(`/${module}`)) continue;
    cpSync(join(root, 'lib/modules', module), join(early, 'modules', basename(module)));
  }
  cpSync(join(import.meta.dirname, 'initrd.sh'), join(early, 'init'));
  const script = 'cd "$1" && chmod 755 init && find . | "$2" cpio -o -H newc | gzip > "$3"';
  const { code, stderr } = await run(['sh', '-c', script, 'sh', early, busybox, `${file}.new`]);
  if (code !== 0) throw new Error(`the first file system was not made: ${stderr}`);
  renameSync(`${file}.new`, file);
}
