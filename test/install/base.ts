/** The Debian that hosts of the installation tests boot from; made once, and kept in dist/install-base. */
import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const base = resolve(import.meta.dirname, '../../dist/install-base');

/** Packages of the system besides the smallest Debian. */
const packages =
  'systemd,systemd-sysv,dbus,iproute2,iptables,kmod,procps,udev,docker.io,openvswitch-switch,libstdc++6,busybox-static,curl,openssl,nftables';

/** Its folder, made if it is not there; needs a Debian mirror then. */
export function baseSystem(): string {
  if (existsSync(base)) return base;
  const partial = `${base}.partial`;
  rmSync(partial, { recursive: true, force: true });
  const args = ['--variant=minbase', `--include=${packages}`, 'bookworm', partial];
  execFileSync('debootstrap', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  writeFileSync(join(partial, 'etc/machine-id'), '');
  rmSync(join(partial, 'usr/sbin/policy-rc.d'), { force: true });
  rmSync(join(partial, 'etc/systemd/system/getty.target.wants'), { recursive: true, force: true });
  // no terminal here, and no clock of its own
  for (const unit of ['console-getty.service', 'systemd-timesyncd.service', 'apt-daily.timer']) {
    symlinkSync('/dev/null', join(partial, 'etc/systemd/system', unit));
  }
  renameSync(partial, base);
  return base;
}
