# The program sees the uid of the account user.

# A shell cannot relay a bus for another uid: programs that use it fail.
# /run/user/1500/bus is available at /run/user/1500/bus only through chrun's relay
unshare --mount --propagation slave --user --map-user=1000 --map-group=1000 --keep-caps /bin/sh -eu /dev/fd/3 3<<'_END_OF_CHRUN_PLAN_'
exec 3<&-
PATH=$PATH:/usr/sbin:/sbin
mkdir -p -m 0700 /home/alice/.local/share/chrun/homes/debian  # the private home for this chroot
mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /mnt  # small files
mkdir -m 0755 /mnt/run  # directory
mkdir -m 1777 /mnt/run/lock  # directory
mkdir -m 0700 /mnt/run/chrun  # directory
mkdir -m 0755 /mnt/etc  # directory
mkdir -m 0755 /mnt/run/user  # directory
mkdir -m 0755 /mnt/run/user/1500  # directory
install -m 0600 /dev/null /mnt/run/chrun/Xauthority  # for 15 secret bytes
mkdir -m 0755 /mnt/run/host  # directory
mkdir -m 0755 /mnt/run/host/etc  # directory
ln -s /run/host/etc/resolv.conf /mnt/etc/resolv.conf  # symlink
mkdir /mnt/.root  # the new root
mount --rbind /srv/debian /mnt/.root  # root: the chroot itself
mount --rbind /proc /mnt/.root/proc  # base: processes, shared with the host
mount --rbind /sys /mnt/.root/sys  # base: hardware, for GPU and device discovery
mount --rbind /dev /mnt/.root/dev  # base: the host's devices
mount --bind /mnt/run /mnt/.root/run  # base: a new /run
mount --rbind /tmp /mnt/.root/tmp  # tmp: the host's /tmp
mount -t overlay -o ro,lowerdir=/mnt/etc:/srv/debian/etc overlay /mnt/.root/etc  # etc: files of /etc that differ inside, over the tree's
mount --rbind /home/alice/.local/share/chrun/homes/debian /mnt/.root/home/alice  # home: the chroot has no home for this account, or you cannot write to it
mount --rbind /run/user/1500 /mnt/.root/run/user/1500  # base: the caller's whole runtime directory, so that servers may restart
mount --rbind /etc /mnt/.root/run/host/etc  # run: the host's directory, to see changes of its files
mount -o remount,bind,ro /mnt/.root/run/host/etc  # read-only
cd /mnt/.root  # enter
pivot_root . .
umount -l .
cd /
exec env -i CHRUN_CHROOT=debian DISPLAY=:0 HOME=/home/alice LANG=C.UTF-8 LOGNAME=user PATH=/usr/local/bin:/usr/bin PWD=/ SHELL=/bin/bash TERM=xterm USER=user WAYLAND_DISPLAY=wayland-1 XAUTHORITY=/run/chrun/Xauthority XDG_RUNTIME_DIR=/run/user/1500 debian_chroot=debian firefox 'a b'
_END_OF_CHRUN_PLAN_

