#!/bin/sh
# First process of the virtual machine: mounts, modules, the command on the third disk, power off. Says how it
# ended in its last line.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mkdir -p /run/lock /run/netns
mount -t cgroup2 cgroup /sys/fs/cgroup
# controllers are handed down by whoever makes the groups; the root hands all of them
sed 's/\([a-z]\)\([a-z]*\)/+\1\2/g' /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
ip link set lo up
hostname vm
modprobe -a openvswitch vxlan veth bridge br_netfilter overlay tun sch_htb 8021q nf_tables nft_compat
cd /project || exit 1
tr -d '\000' < /dev/vdc > /tmp/command
sh /tmp/command < /dev/null
code=$?
# on a line of its own, whatever the command wrote last
printf '\nvm: the command ended with %s\n' "$code"
sync
busybox poweroff -f
