# Root runs a login shell in a tree without resolv.conf, hosts and localtime.

# Run this as root.
unshare --mount --propagation slave /bin/sh -eu /dev/fd/3 3<<'_END_OF_CHRUN_PLAN_'
exec 3<&-
PATH=$PATH:/usr/sbin:/sbin
mkdir -p /srv/debian/etc  # mount point
[ -e /srv/debian/etc/resolv.conf ] || install -m 0400 /dev/null /srv/debian/etc/resolv.conf  # mount point
mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /mnt  # small files
mkdir -m 0755 /mnt/run  # directory
mkdir -m 1777 /mnt/run/lock  # directory
mkdir -m 0700 /mnt/run/chrun  # directory
install -m 0600 /dev/null /mnt/run/chrun/Xauthority  # for 15 secret bytes
mkdir -m 0755 /mnt/files  # directory
printf %s 'resolv.conf
' > /mnt/files/etc-resolv.conf  # file
mkdir /mnt/.root  # the new root
mount --rbind /srv/debian /mnt/.root  # root: the chroot itself
mount --rbind /proc /mnt/.root/proc  # base: processes, shared with the host
mount --rbind /sys /mnt/.root/sys  # base: hardware, for GPU and device discovery
mount --rbind /dev /mnt/.root/dev  # base: the host's devices
mount --bind /mnt/run /mnt/.root/run  # base: a new /run
mount --bind /mnt/files/etc-resolv.conf /mnt/.root/etc/resolv.conf  # network-files: the host's
mount -o remount,bind,ro /mnt/.root/etc/resolv.conf  # read-only
cd /mnt/.root  # enter
pivot_root . .
umount -l .
cd /
exec env -i CHRUN_CHROOT=debian DISPLAY=:0 HOME=/root LANG=C.UTF-8 LOGNAME=root PATH=/usr/local/bin:/usr/bin PWD=/ SHELL=/bin/bash TERM=xterm TZ=CET-1CEST USER=root WAYLAND_DISPLAY=wayland-1 XAUTHORITY=/run/chrun/Xauthority debian_chroot=debian /bin/bash -l
_END_OF_CHRUN_PLAN_
find /srv/debian/etc/resolv.conf -size 0 -perm 0400 -delete  # afterwards

