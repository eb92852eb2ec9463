#!/bin/sh
# The disks are behind modules of the kernel: loads them and goes over to the disk.
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for name in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
  insmod "/modules/$name.ko"
done
mkdir -p /disk
until mount -t ext4 /dev/vda /disk 2> /dev/null; do :; done
umount /proc
mount -t ext4 /dev/vdb /disk/project
exec switch_root /disk /bin/sh /project/test/vm/init.sh
