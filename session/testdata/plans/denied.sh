unshare --mount --propagation slave --user --map-current-user --keep-caps --net /bin/sh -eu /dev/fd/3 3<<'_END_OF_CHRUN_PLAN_'
exec 3<&-
PATH=$PATH:/usr/sbin:/sbin
ip link set lo up  # network denied
mkdir -p -m 0700 /WORLD/data/homes/debian  # the private home for this chroot
mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /mnt  # small files
mkdir -m 0755 /mnt/dev  # directory
printf %s '' > /mnt/dev/null  # file
printf %s '' > /mnt/dev/zero  # file
printf %s '' > /mnt/dev/full  # file
printf %s '' > /mnt/dev/random  # file
printf %s '' > /mnt/dev/urandom  # file
printf %s '' > /mnt/dev/tty  # file
printf %s '' > /mnt/dev/ptmx  # file
mkdir -m 0755 /mnt/dev/pts  # directory
ln -s /proc/self/fd /mnt/dev/fd  # symlink
ln -s fd/0 /mnt/dev/stdin  # symlink
ln -s fd/1 /mnt/dev/stdout  # symlink
ln -s fd/2 /mnt/dev/stderr  # symlink
mkdir -m 1777 /mnt/dev/shm  # directory
mkdir -m 0755 /mnt/run  # directory
mkdir -m 1777 /mnt/run/lock  # directory
mkdir -m 0700 /mnt/run/chrun  # directory
mkdir -m 1777 /mnt/tmp  # directory
mkdir -m 0755 /mnt/WORLD  # directory
mkdir -m 0755 /mnt/WORLD/run  # directory
mkdir -m 0755 /mnt/etc  # directory
printf %s 'alice:x:1500:1501::/home/alice:/bin/bash
' > /mnt/etc/passwd  # file
mkdir -m 0755 /mnt/run/host  # directory
mkdir -m 0755 /mnt/run/host/tmp  # directory
mkdir -m 0755 /mnt/run/host/WORLD  # directory
mkdir -m 0755 /mnt/run/host/WORLD/etc  # directory
ln -s /run/host/WORLD/etc/resolv.conf /mnt/etc/resolv.conf  # symlink
mkdir /mnt/.root  # the new root
mount --rbind /WORLD/tree /mnt/.root  # root: the chroot itself
mount --rbind /proc /mnt/.root/proc  # base: processes, shared with the host
mount --rbind /sys /mnt/.root/sys  # base: hardware, for GPU and device discovery
mount --bind /mnt/dev /mnt/.root/dev  # base: the devices that every program needs
mount --bind /mnt/run /mnt/.root/run  # base: a new /run
mount --bind /mnt/tmp /mnt/.root/tmp  # tmp: an empty /tmp
mount -t overlay -o ro,lowerdir=/mnt/etc:/WORLD/tree/etc overlay /mnt/.root/etc  # etc: files of /etc that differ inside, over the tree's
mount --rbind /dev/null /mnt/.root/dev/null  # base: every program needs it
mount --rbind /dev/zero /mnt/.root/dev/zero  # base: every program needs it
mount --rbind /dev/full /mnt/.root/dev/full  # base: every program needs it
mount --rbind /dev/random /mnt/.root/dev/random  # base: every program needs it
mount --rbind /dev/urandom /mnt/.root/dev/urandom  # base: every program needs it
mount --rbind /dev/tty /mnt/.root/dev/tty  # base: every program needs it
mount --rbind /dev/ptmx /mnt/.root/dev/ptmx  # base: every program needs it
mount --rbind /dev/pts /mnt/.root/dev/pts  # base: every program needs it
mount --rbind /WORLD/data/homes/debian /mnt/.root/home/alice  # home: the chroot has no home of this account that the caller can write
mount --rbind /WORLD/run /mnt/.root/WORLD/run  # base: the caller's whole runtime directory, so that servers may restart
mount --rbind /dev/null /mnt/.root/WORLD/run/wayland-1  # wayland: denied
mount --rbind /WORLD/etc /mnt/.root/run/host/WORLD/etc  # run: the host's directory, to see changes of its files
mount -o remount,bind,ro /mnt/.root/run/host/WORLD/etc  # read-only
cd /mnt/.root  # enter
pivot_root . .
umount -l .
cd /
exec env -i CHRUN_CHROOT=debian HOME=/home/alice LANG=C.UTF-8 LOGNAME=alice PATH=/usr/local/bin:/usr/bin PWD=/ 'QUOTE='\''"$
' SHELL=/bin/bash 'SPACE=a b' TERM=dumb USER=alice XDG_RUNTIME_DIR=/WORLD/run debian_chroot=debian firefox 'a b'
_END_OF_CHRUN_PLAN_
