unshare --mount --propagation slave --user --map-current-user --keep-caps /bin/sh -eu /dev/fd/3 3<<'_END_OF_CHRUN_PLAN_'
exec 3<&-
PATH=$PATH:/usr/sbin:/sbin
mkdir -p -m 0700 /WORLD/data/homes/debian  # the private home for this chroot
mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /mnt  # small files
mkdir -m 0555 /mnt/mirror0  # directory
printf %s '' > /mnt/mirror0/.hidden  # file
mkdir -m 0755 /mnt/mirror0/bin  # directory
mkdir -m 0755 /mnt/mirror0/etc  # directory
mkdir -m 0755 /mnt/mirror0/home  # directory
ln -s usr/lib /mnt/mirror0/lib  # symlink
mkdir -m 0755 /mnt/mirror0/usr  # directory
mkdir -m 0755 /mnt/mirror0/proc  # directory
mkdir -m 0755 /mnt/mirror0/sys  # directory
mkdir -m 0755 /mnt/mirror0/dev  # directory
mkdir -m 0755 /mnt/run  # directory
mkdir -m 0755 /mnt/mirror0/run  # directory
mkdir -m 1777 /mnt/run/lock  # directory
mkdir -m 0700 /mnt/run/chrun  # directory
mkdir -m 0755 /mnt/mirror0/tmp  # directory
mkdir -m 0755 /mnt/etc  # directory
printf %s 'alice:x:1500:1501::/home/alice:/bin/bash
' > /mnt/etc/passwd  # file
mkdir -m 0555 /mnt/mirror1  # directory
mkdir -m 0755 /mnt/mirror1/bob  # directory
mkdir -m 0755 /mnt/mirror1/alice  # directory
install -m 0600 /dev/null /mnt/run/chrun/Xauthority  # for 6 secret bytes
mkdir -m 0755 /mnt/run/host  # directory
mkdir -m 0755 /mnt/run/host/tmp  # directory
mkdir -m 0755 /mnt/run/host/WORLD  # directory
mkdir -m 0755 /mnt/run/host/WORLD/etc  # directory
ln -s /run/host/WORLD/etc/resolv.conf /mnt/etc/resolv.conf  # symlink
mkdir /mnt/.root  # the new root
mount --bind /mnt/mirror0 /mnt/.root  # root: a mirror of the directory, with mount points that the tree lacks
mount -o remount,bind,ro /mnt/.root  # read-only
mount --rbind /WORLD/tree/.hidden /mnt/.root/.hidden  # root: as in the tree
mount --rbind /WORLD/tree/bin /mnt/.root/bin  # root: as in the tree
mount -t overlay -o ro,lowerdir=/mnt/etc:/WORLD/tree/etc overlay /mnt/.root/etc  # etc: files of /etc that differ inside, over the tree's
mount --bind /mnt/mirror1 /mnt/.root/home  # root: a mirror of the directory, with mount points that the tree lacks
mount -o remount,bind,ro /mnt/.root/home  # read-only
mount --rbind /WORLD/tree/usr /mnt/.root/usr  # root: as in the tree
mount --rbind /proc /mnt/.root/proc  # base: processes, shared with the host
mount --rbind /sys /mnt/.root/sys  # base: hardware, for GPU and device discovery
mount --rbind /dev /mnt/.root/dev  # base: the host's devices
mount --bind /mnt/run /mnt/.root/run  # base: a new /run
mount --rbind /tmp /mnt/.root/tmp  # tmp: the host's /tmp
mount --rbind /WORLD/tree/home/bob /mnt/.root/home/bob  # root: as in the tree
mount --rbind /WORLD/data/homes/debian /mnt/.root/home/alice  # home: the chroot has no home of this account that the caller can write
mount --rbind /WORLD/etc /mnt/.root/run/host/WORLD/etc  # run: the host's directory, to see changes of its files
mount -o remount,bind,ro /mnt/.root/run/host/WORLD/etc  # read-only
cd /mnt/.root  # enter
pivot_root . .
umount -l .
cd /
exec env -i CHRUN_CHROOT=debian DISPLAY=:0 HOME=/home/alice LANG=C.UTF-8 LOGNAME=alice PATH=/usr/local/bin:/usr/bin PWD=/ 'QUOTE='\''"$
' SHELL=/bin/bash 'SPACE=a b' TERM=dumb USER=alice WAYLAND_DISPLAY=wayland-1 XAUTHORITY=/run/chrun/Xauthority XDG_RUNTIME_DIR=/WORLD/run debian_chroot=debian firefox 'a b'
_END_OF_CHRUN_PLAN_
