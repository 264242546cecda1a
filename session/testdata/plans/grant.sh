# Root starts the program with the uid of the account user.

# Run this as root.
# A shell cannot relay a bus for another uid: programs that use it fail.
env DISPLAY=:0 xhost '+si:localuser:#1000'  # x11: the server has no cookie
setfacl -m u:1000:rw /run/user/1500/wayland-1  # wayland: the Wayland compositor's socket
# /run/user/1500/bus is available at /run/user/1500/bus only through chrun's relay
unshare --mount --propagation slave /bin/sh -eu /dev/fd/3 3<<'_END_OF_CHRUN_PLAN_'
exec 3<&-
PATH=$PATH:/usr/sbin:/sbin
mount -t tmpfs -o nosuid,nodev,mode=0755 tmpfs /mnt  # small files
mkdir -m 0755 /mnt/run  # directory
mkdir -m 1777 /mnt/run/lock  # directory
mkdir -m 0700 /mnt/run/chrun  # directory
chown -h 1000:1000 /mnt/run/chrun  # owned by the program
mkdir -m 0755 /mnt/etc  # directory
mkdir -m 0700 /mnt/home  # directory
chown -h 1000:1000 /mnt/home  # owned by the program
mkdir -m 0700 /mnt/runtime  # directory
chown -h 1000:1000 /mnt/runtime  # owned by the program
mkdir -m 0755 /mnt/run/user  # directory
mkdir -m 0755 /mnt/run/user/1500  # directory
printf %s '' > /mnt/runtime/wayland-1  # file
chown -h 1000:1000 /mnt/runtime/wayland-1  # owned by the program
install -m 0600 /dev/null /mnt/run/chrun/Xauthority  # for 15 secret bytes
chown -h 1000:1000 /mnt/run/chrun/Xauthority  # owned by the program
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
mount --bind /mnt/home /mnt/.root/home/alice  # home: the chroot has no home of this account, and it cannot use yours
mount --bind /mnt/runtime /mnt/.root/run/user/1500  # base: the program's own runtime directory, with the shared sockets
mount --rbind /etc /mnt/.root/run/host/etc  # run: the host's directory, to see changes of its files
mount -o remount,bind,ro /mnt/.root/run/host/etc  # read-only
mount --rbind /run/user/1500/wayland-1 /mnt/.root/run/user/1500/wayland-1  # wayland: the Wayland compositor's socket
cd /mnt/.root  # enter
pivot_root . .
umount -l .
cd /
exec setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs env -i CHRUN_CHROOT=debian DISPLAY=:0 HOME=/home/alice LANG=C.UTF-8 LOGNAME=user PATH=/usr/local/bin:/usr/bin PWD=/ SHELL=/bin/bash TERM=xterm USER=user WAYLAND_DISPLAY=wayland-1 XAUTHORITY=/run/chrun/Xauthority XDG_RUNTIME_DIR=/run/user/1500 debian_chroot=debian firefox 'a b'
_END_OF_CHRUN_PLAN_
env DISPLAY=:0 xhost '-si:localuser:#1000'  # afterwards
setfacl -x u:1000 /run/user/1500/wayland-1  # afterwards

