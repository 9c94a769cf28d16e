#!/bin/bash
# The first process of tests/support/machine.py's machine, in namespaces of its own: makes the machine's disk, readies
# it and becomes its init. Everything is written to memory and gone with this process.
# machine.sh FOLDER PREPARE INIT...: FOLDER is where the disk is put together, PREPARE a script to run in the machine.
set -euo pipefail
folder=$1 prepare=$2
shift 2

mount -t tmpfs -o mode=755 tmpfs "$folder"
cd "$folder"
mkdir written work disk
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/written,workdir=$folder/work" disk
cd disk

mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
cp -a /dev/{null,zero,full,random,urandom,tty} dev/
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
# FROM:TO, both absolute: folders of the host to have in the machine, too.
for shared in $SHARED; do
  mkdir -p ".${shared#*:}"
  mount --bind "${shared%%:*}" ".${shared#*:}"
done

mkdir -p outside
pivot_root . outside
cd /
umount -l /outside
export HOME=/root USER=root LOGNAME=root
unset SHARED CGROUP FOLDER
# Nothing that the host has enabled, mounts or says at login.
rm -rf /etc/systemd/system/* /etc/cron.d/* /etc/fstab
: > /etc/fstab
printf '%s\n' '#!/bin/sh' 'exit 101' > /usr/sbin/policy-rc.d  # a package that is installed starts nothing
chmod +x /usr/sbin/policy-rc.d

bash -euo pipefail "$prepare" || { echo "not ready"; exit 1; }
echo ready
exec env -i "PATH=$PATH" LC_ALL=C.UTF-8 container=etl-machine "$@" < /dev/null
