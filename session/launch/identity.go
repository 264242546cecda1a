package launch

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/account"
)

// maps sets up the user namespace: uid and gid both are mapped, since a nested
// one needs both (user_namespaces(7)). A map of one line the child writes
// itself; supplementary groups keep their rights, and setgroups must be denied
// first. One of more lines newuidmap(1) writes, for which the child waits.
func (c *compiled) maps(svc *Services) {
	id := c.plan.Identity
	if id.Helped() {
		one := make([]byte, 1)
		c.add("wait for its ids", unix.SYS_READ, num(svc.ready[0]), c.bytes(one), num(1)).want = 1
		if id.ShownUID != 0 {
			return
		}
		// What is made from here on belongs to root inside.
		c.add("take the gid", unix.SYS_SETRESGID, num(0), num(0), num(0))
		c.add("take the uid", unix.SYS_SETRESUID, num(0), num(0), num(0))
		c.child() // and the tie to chrun (PR_SET_PDEATHSIG)
		return
	}
	c.ownMaps(id.UIDs, id.GIDs)
}

// ownMaps has the child write its own maps.
func (c *compiled) ownMaps(uids, gids account.IDMap) {
	for _, f := range []struct{ file, text string }{
		{"/proc/self/setgroups", "deny"},
		{"/proc/self/uid_map", uids.String()},
		{"/proc/self/gid_map", gids.String()},
	} {
		fd := c.register()
		c.openAt("open "+f.file, num(self), f.file, unix.O_WRONLY, 0, fd)
		c.write("write "+f.file, reg(fd), []byte(f.text))
	}
}

// asCaller opens what the desktop's user named with that user's rights, where
// root mounts: a path may lead elsewhere by now. Capabilities over files go and
// come with it (capabilities(7), "Effect of user ID changes").
func (c *compiled) asCaller(on bool) {
	if !c.plan.Identity.Mounted() || c.plan.CallerUID == 0 {
		return
	}
	uid, gid, groups := 0, 0, []int{}
	if on {
		uid, gid, groups = c.plan.CallerUID, c.plan.CallerGID, c.plan.Groups
		c.setgroups(groups)
	}
	c.add("take the caller's rights", unix.SYS_SETFSGID, num(gid))
	c.add("take the caller's rights", unix.SYS_SETFSUID, num(uid))
	if !on {
		c.setgroups(groups)
	}
}

func (c *compiled) setgroups(groups []int) {
	list := make([]uint32, max(1, len(groups)))
	for i, g := range groups {
		list[i] = uint32(g)
	}
	c.keep = append(c.keep, list)
	c.add("set the groups", unix.SYS_SETGROUPS, num(len(groups)), word(uintptr(unsafe.Pointer(&list[0]))))
}

// become gives root up, where root has mounted for another: for good, and
// without the way back that a setuid file in the tree would be.
func (c *compiled) become() {
	id := c.plan.Identity
	if !id.Mounted() || id.Kind == session.AsRoot {
		return
	}
	groups := c.plan.Groups
	if id.UID != c.plan.CallerUID {
		groups = nil // those are the caller's
	}
	c.setgroups(groups)
	c.add("take the gid", unix.SYS_SETRESGID, num(id.GID), num(id.GID), num(id.GID))
	c.add("take the uid", unix.SYS_SETRESUID, num(id.UID), num(id.UID), num(id.UID))
	c.add("give up privileges", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1), num(0), num(0), num(0))
	c.child() // a change of the uid has untied it (PR_SET_PDEATHSIG)
}

// inTree makes mount points in a tree that only root inside may write: the
// others are made before (prepare).
func (c *compiled) inTree(tree int) {
	if !c.plan.Identity.Helped() {
		return
	}
	dir := c.register()
	for _, p := range c.plan.Prepare {
		at := ""
		for name := range strings.SplitSeq(strings.Trim(string(p.InTree), "/"), "/") {
			if p.InTree == "" {
				break
			}
			parent := at
			at += "/" + name
			c.openInside(reg(tree), strings.TrimPrefix(parent, "/"), dir, func() string { return "find " + parent + " in the chroot" })
			c.add("make "+at+" in the chroot", unix.SYS_MKDIRAT, reg(dir), c.cstring(name), num(0o755)).orSkip(0)
			c.close(dir)
		}
	}
}

// Services are what a launch has beside its program.
type Services struct {
	// Buses are sockets that will listen at the paths of the plan's Relays.
	// Clients, if not nil, is called when the first client has come.
	Buses   []int
	Clients func()
	// Ends are inotify instances that hear when the launch's namespace has gone,
	// and with it its last process (IN_UNMOUNT, inotify(7)).
	Ends []int
	// Tree is a detached mount of the tree, with its owners exchanged, or -1.
	Tree int

	ready [2]int // a pipe: the ids are mapped
}

// endDir is where a file system of the launch's own is mounted, for its end.
const endDir = string(session.PrivateDir) + "/end"

// services are begun inside, as soon as the root is the chroot.
func (c *compiled) services(svc *Services) {
	if len(svc.Ends) > 0 {
		// A file system of its own: a listening socket would hold that of /run.
		const at = endDir
		fs, mount := c.register(), c.register()
		c.add("make "+at, unix.SYS_MKDIRAT, num(self), c.cstring(at), num(0o755))
		c.add("make a tmpfs", unix.SYS_FSOPEN, c.cstring("tmpfs"), num(unix.FSOPEN_CLOEXEC)).into(fs)
		c.config(fs, unix.FSCONFIG_SET_STRING, "mode", "0555")
		c.config(fs, unix.FSCONFIG_CMD_CREATE, "", "")
		c.add("mount a tmpfs", unix.SYS_FSMOUNT, reg(fs), num(unix.FSMOUNT_CLOEXEC), num(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)).into(mount)
		c.add("mount on "+at, unix.SYS_MOVE_MOUNT, reg(mount), c.cstring(""), num(self), c.cstring(at), num(unix.MOVE_MOUNT_F_EMPTY_PATH))
		for _, fd := range svc.Ends {
			c.add("watch for the end", unix.SYS_INOTIFY_ADD_WATCH, num(fd), c.cstring(at), num(unix.IN_DELETE_SELF))
		}
	}
	for i, bus := range svc.Buses {
		r := c.plan.Relays[i]
		at := unix.RawSockaddrUnix{Family: unix.AF_UNIX}
		for j := range min(len(r.Path), len(at.Path)-1) {
			at.Path[j] = int8(r.Path[j])
		}
		c.keep = append(c.keep, &at)
		c.add("bind "+string(r.Path), unix.SYS_BIND, num(bus), word(uintptr(unsafe.Pointer(&at))), word(unsafe.Sizeof(at)))
		if id := c.plan.Identity; id.Mounted() {
			c.add("give it to the program", unix.SYS_FCHOWNAT, num(self), c.cstring(string(r.Path)), num(id.UID), num(id.GID), num(unix.AT_SYMLINK_NOFOLLOW))
		}
		c.add("listen on "+string(r.Path), unix.SYS_LISTEN, num(bus), num(128))
	}
}

// helperError says that newuidmap(1) or newgidmap(1) refused.
type helperError struct {
	program string
	err     error
}

func (e *helperError) Error() string {
	return fmt.Sprintf("cannot map your ids: %s: %v", e.program, e.err)
}
func (e *helperError) Unwrap() error { return e.err }

// Hint names what is to be installed or set up.
func (e *helperError) Hint() string {
	if os.IsNotExist(e.err) {
		return "it is in Debian's package uidmap, elsewhere in shadow: sudo apt-get install uidmap"
	}
	return "ranges of your own: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\""
}
