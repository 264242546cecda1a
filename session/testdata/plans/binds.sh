unshare --mount --propagation slave --user --map-current-user --keep-caps /bin/sh -eu /dev/fd/3 3<<'_END_OF_CHRUN_PLAN_'
exec 3<&-
PATH=$PATH:/usr/sbin:/sbin
mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /mnt  # small files
mkdir -m 0755 /mnt/run  # directory
mkdir -m 1777 /mnt/run/lock  # directory
mkdir -m 0700 /mnt/run/chrun  # directory
mkdir -m 0755 /mnt/etc  # directory
printf %s 'alice:x:1500:1501::/home/alice:/bin/bash
' > /mnt/etc/passwd  # file
mkdir -m 0700 /mnt/home  # directory
install -m 0600 /dev/null /mnt/run/chrun/Xauthority  # for 6 secret bytes
mkdir -m 0755 /mnt/run/host  # directory
mkdir -m 0755 /mnt/run/host/tmp  # directory
mkdir -m 0755 /mnt/run/host/WORLD  # directory
mkdir -m 0755 /mnt/run/host/WORLD/etc  # directory
ln -s /run/host/WORLD/etc/resolv.conf /mnt/etc/resolv.conf  # symlink
mkdir -m 0555 /mnt/mirror0  # directory
mkdir -m 0755 /mnt/mirror0/bin  # directory
mkdir -m 0755 /mnt/mirror0/dev  # directory
mkdir -m 0755 /mnt/mirror0/etc  # directory
mkdir -m 0755 /mnt/mirror0/home  # directory
mkdir -m 0755 /mnt/mirror0/opt  # directory
mkdir -m 0755 /mnt/mirror0/proc  # directory
mkdir -m 0755 /mnt/mirror0/root  # directory
mkdir -m 0755 /mnt/mirror0/run  # directory
mkdir -m 0755 /mnt/mirror0/sys  # directory
mkdir -m 0755 /mnt/mirror0/tmp  # directory
mkdir -m 0755 /mnt/mirror0/usr  # directory
mkdir -m 0755 /mnt/mirror0/mnt  # directory
mkdir -m 0755 /mnt/mirror0/mnt/new  # directory
mkdir -m 0755 /mnt/run/mine  # directory
printf %s '' > /mnt/run/mine-file  # file
mkdir -m 0755 /mnt/home/share  # directory
mkdir -m 0555 /mnt/mirror1  # directory
printf %s '' > /mnt/mirror1/file  # file
mkdir -m 0755 /mnt/mirror1/link  # directory
mkdir -m 0755 /mnt/mirror1/link/y  # directory
mkdir /mnt/.root  # the new root
mount --bind /mnt/mirror0 /mnt/.root  # root: a mirror of the directory, with mount points that the tree lacks
mount -o remount,bind,ro /mnt/.root  # read-only
mount --rbind /proc /mnt/.root/proc  # base: processes, shared with the host
mount --rbind /sys /mnt/.root/sys  # base: hardware, for GPU and device discovery
mount --rbind /dev /mnt/.root/dev  # base: the host's devices
mount --bind /mnt/run /mnt/.root/run  # base: a new /run
mount --rbind /tmp /mnt/.root/tmp  # tmp: the host's /tmp
mount -t overlay -o ro,lowerdir=/mnt/etc:/WORLD/tree/etc overlay /mnt/.root/etc  # etc: files of /etc that differ inside, over the tree's
mount --rbind /WORLD/tree/bin /mnt/.root/bin  # root: as in the tree
mount --rbind /WORLD/tree/home /mnt/.root/home  # root: as in the tree
mount --bind /mnt/mirror1 /mnt/.root/opt  # root: a mirror of the directory, with mount points that the tree lacks
mount -o remount,bind,ro /mnt/.root/opt  # read-only
mount --rbind /WORLD/tree/root /mnt/.root/root  # root: as in the tree
mount --rbind /WORLD/tree/usr /mnt/.root/usr  # root: as in the tree
mount --bind /mnt/home /mnt/.root/home/alice  # home: as requested
mount --rbind /WORLD/share /mnt/.root/mnt/new  # bind: asked for
mount --rbind /WORLD/share /mnt/.root/run/mine  # bind: asked for
mount -o remount,bind,ro /mnt/.root/run/mine  # read-only
mount --rbind /WORLD/share/file /mnt/.root/run/mine-file  # bind: asked for
mount --rbind /WORLD/share/file /mnt/.root/opt/file  # bind: asked for
mount -o remount,bind,ro /mnt/.root/opt/file  # read-only
mount --rbind /WORLD/share /mnt/.root/home/alice/share  # bind: asked for
mount --rbind /WORLD/share /mnt/.root/opt/link/y  # bind: asked for
mount --rbind /WORLD/etc /mnt/.root/run/host/WORLD/etc  # run: the host's directory, to see changes of its files
mount -o remount,bind,ro /mnt/.root/run/host/WORLD/etc  # read-only
cd /mnt/.root  # enter
pivot_root . .
umount -l .
cd /
exec env -i CHRUN_CHROOT=debian DISPLAY=:0 HOME=/home/alice LANG=C.UTF-8 LOGNAME=alice PATH=/usr/local/bin:/usr/bin PWD=/ 'QUOTE='\''"$
' SHELL=/bin/bash 'SPACE=a b' TERM=dumb USER=alice WAYLAND_DISPLAY=wayland-1 XAUTHORITY=/run/chrun/Xauthority XDG_RUNTIME_DIR=/WORLD/run debian_chroot=debian firefox 'a b'
_END_OF_CHRUN_PLAN_
