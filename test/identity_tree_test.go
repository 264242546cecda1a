package test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// freeID returns the first number from 1000 that neither a user nor a group of the
// host has.
func freeID() int {
	id := 1000
	for ; ; id++ {
		_, err := user.LookupId(strconv.Itoa(id))
		_, group := user.LookupGroupId(strconv.Itoa(id))
		if err != nil && group != nil {
			return id
		}
	}
}

// mountAccountsTree mounts a chroot with two accounts, each with its own home: the
// account "user" with the number other, and the desktop user. It is a tmpfs, which
// unlike an overlay can be idmapped, with the /usr of the tests' chroot read-only.
func (d *desk) mountAccountsTree(other int) (tree string) {
	d.t.Helper()
	headless.Root(d.t)
	tree = d.mountPoint()
	d.mount("tmpfs", tree, "tmpfs", 0, "mode=0755")
	d.runAsRoot(fmt.Sprintf(`cd %s
cp -a %s/etc %[2]s/bin %[2]s/sbin %[2]s/lib* .
mkdir -p usr root home/user tmp var/tmp var/cache run proc sys dev media mnt opt srv
chmod 1777 tmp var/tmp
chown %[6]d:%[6]d home/user
echo 'user:x:%[6]d:%[6]d::/home/user:/bin/bash' >>etc/passwd
echo 'user:x:%[6]d:' >>etc/group
echo '%[3]s:x:%[4]d:%[5]d::/home/%[3]s:/bin/bash' >>etc/passwd
echo '%[3]s:x:%[5]d:' >>etc/group
`, tree, d.chroot, d.User.Name, d.User.UID, d.User.GID, other))
	d.mount(d.chroot+"/usr", tree+"/usr", "", syscall.MS_BIND, "")
	d.mount("", tree+"/usr", "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
	return tree
}

// mountSubordinateTree mounts a chroot that belongs to the user's subordinate IDs,
// like one that was made without root: the tests' chroot with mapped owners, under
// a writable upper layer.
func (d *desk) mountSubordinateTree() (tree string) {
	d.t.Helper()
	headless.Root(d.t)
	first := d.subordinateIDs()
	lower, upper := d.mountPoint(), d.mountPoint()
	d.mountIdmapped(d.chroot, lower, first)
	tree = d.mountPoint()
	d.mount("tmpfs", upper, "tmpfs", 0, "mode=0755")
	d.runAsRoot(fmt.Sprintf("mkdir %s/up %[1]s/work && chown %d:%[2]d %[1]s/up", upper, first))
	d.mount("overlay", tree, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s/up,workdir=%[2]s/work", lower, upper))
	return tree
}

// subordinateIDs returns the first subordinate ID of the user. If the user has
// none, it adds some.
func (d *desk) subordinateIDs() int {
	for range 2 {
		data, _ := os.ReadFile("/etc/subuid")
		for line := range strings.Lines(string(data)) {
			if f := strings.Split(line, ":"); len(f) == 3 && f[0] == d.User.Name {
				if first, err := strconv.Atoi(f[1]); err == nil {
					return first
				}
			}
		}
		d.runAsRoot("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + d.User.Name)
	}
	d.t.Fatal("the test's user has no subordinate ids")
	return 0
}

// mountIdmapped mounts from on at, with the IDs 0 … 65535 mapped to those from first.
func (d *desk) mountIdmapped(from, at string, first int) {
	d.t.Helper()
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: 65536}}
	holder := exec.Command("cat")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	in, err := holder.StdinPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { in.Close(); holder.Wait() }()
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", holder.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	defer ns.Close()
	fd, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		d.t.Fatal(err)
	}
	defer unix.Close(fd)
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_RDONLY, Userns_fd: uint64(ns.Fd())})
	if err == nil {
		err = unix.MoveMount(fd, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.unmountLater(at)
}

// mountPoint makes a directory that everybody can reach.
func (d *desk) mountPoint() string {
	dir := filepath.Join(headless.Dir(d.t, d.User), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		d.t.Fatal(err)
	}
	return dir
}

func (d *desk) mount(source, target, fs string, flags uintptr, data string) {
	d.t.Helper()
	if err := syscall.Mount(source, target, fs, flags, data); err != nil {
		d.t.Fatalf("mount %s: %v", target, err)
	}
	if flags&syscall.MS_REMOUNT == 0 {
		d.unmountLater(target)
	}
}

// unmountLater unmounts target at the end of the test.
func (d *desk) unmountLater(target string) {
	d.t.Cleanup(func() {
		if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
			d.t.Error(target, err)
		}
	})
}

// runAsRoot runs a script as root.
func (d *desk) runAsRoot(text string) {
	d.t.Helper()
	if out, err := exec.Command("sh", "-e", "-c", text).CombinedOutput(); err != nil {
		d.t.Fatalf("%v: %s", err, out)
	}
}
