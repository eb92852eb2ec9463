#!/bin/bash
# Boots a Debian with systemd as process 1 in namespaces: boot.sh BASE WORK NAME. What it writes goes to WORK/upper and
# outlives the next boot; BASE stays as it is. Ends when the system is powered off or rebooted. Needs root.
set -euo pipefail
base=$1 work=$2 name=$3
mkdir -p "$work"/{upper,scratch,root,docker,containerd}
# the first cgroup hierarchy (v1) or the one (v2): a group of its own, so that systemd keeps to it
for hierarchy in /sys/fs/cgroup/*/ /sys/fs/cgroup/; do
  [ -e "$hierarchy/cgroup.procs" ] || continue
  mkdir -p "$hierarchy/fairlead-install-$name" 2>/dev/null || continue
  echo $$ 2>/dev/null >"$hierarchy/fairlead-install-$name/cgroup.procs" || true
done

inside() {
  set -euo pipefail
  local root=$2/root
  mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/scratch" overlay "$root"
  # Docker's own layers do not lie on an overlay
  for each in docker containerd; do
    mkdir -p "$root/var/lib/$each"
    mount --bind "$2/$each" "$root/var/lib/$each"
  done
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    IFS=: read -r name major minor <<<"$device"
    mknod -m 666 "$root/dev/$name" c "$major" "$minor"
  done
  mkdir -p "$root"/dev/{pts,shm,net,mqueue}
  mknod -m 666 "$root/dev/net/tun" c 10 200
  mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  : >"$root/dev/console"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  hostname "$3"
  cd "$root"
  mkdir -p .old
  pivot_root . .old
  umount -l /.old
  rmdir /.old
  mount --make-rshared /
  exec env -i container=docker PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /sbin/init --log-target=console </dev/null
}
export -f inside
exec unshare --mount --uts --ipc --net --pid --fork --kill-child --propagation private bash -c 'inside "$@"' boot "$base" "$work" "$name"
