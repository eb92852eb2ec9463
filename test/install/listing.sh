#!/bin/sh
# Everything an installer could leave on a host, as text: files, units, bridges, links, routes, rules, Docker's
# networks and plugins, users. Without what differs from boot to boot.
find /etc /usr /lib/systemd /opt /run/docker/plugins -xdev \( -type f -o -type d -o -type l \) ! -path '*/__pycache__*' 2>/dev/null | grep -v -e /opt/share -e /etc/openvswitch/ -e /etc/docker/key.json -e /etc/mtab | sort
find /var/lib -maxdepth 1 | sort
find /run -maxdepth 1 -name "fairlead*"
systemctl list-unit-files --no-pager --no-legend | sort
systemctl list-units --all --no-pager --no-legend --plain 'fairlead*'
ovs-vsctl --format=table --columns=name,external_ids list bridge
ip -o link | sed 's/^[0-9]*: //;s/link\/ether.*//;s/<[^>]*>//;s/state [A-Z]*//' | sort
ip rule
ip route | sed 's/linkdown//'
{ iptables-save && ip6tables-save; } 2>/dev/null | sed '/^[#:]/d' | sort
nft list tables
docker network ls --format '{{.Name}} {{.Driver}}' | sort
docker plugin ls
cat /etc/passwd /etc/group
cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
for nic in nic9; do
  grep -H . /proc/sys/net/ipv4/conf/$nic/forwarding /proc/sys/net/ipv4/conf/$nic/rp_filter /proc/sys/net/ipv4/conf/$nic/arp_ignore /proc/sys/net/ipv6/conf/$nic/disable_ipv6
  ip -o link show $nic | grep -c '[<,]UP[,>]'
done
