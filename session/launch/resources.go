package launch

import (
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// Resources are descriptors that the caller has prepared for a launch, mostly for
// its helper processes.
type Resources struct {
	// RelaySockets are unbound sockets, one for each of the plan's Relays. They
	// listen when the program starts. OnFirstClient, if not nil, is called when
	// the first client connects to one of them.
	RelaySockets  []int
	OnFirstClient func()
	// EndWatches are results of NewEndWatch.
	EndWatches []int
	// Home, if not nil, is a pair of connected sockets. The launch sends a descriptor
	// of its home through the second, so that the first can receive it: a temporary
	// home has no path on the host.
	Home *[2]int
	// Inherited are descriptors that the program inherits although they are
	// close-on-exec, so that no process beside it does. Only root's program has any.
	Inherited []int
	// originals are open files of the tree, by the path of the node that is a copy.
	originals map[string]int
	// Tree is a detached mount of the idmapped tree, or -1.
	Tree int
}

// endDir is the mount point of the file system that Resources.EndWatches watch.
const endDir = string(session.PrivateDir) + "/end"

// setUpResources adds the operations that need the new root.
func (c *compiled) setUpResources() {
	c.watchEnd()
	c.sendHome()
	for i, socket := range c.res.RelaySockets {
		c.listen(socket, c.plan.Relays[i].Path)
	}
}

// watchEnd mounts a file system and watches it. The file system of /run would
// not do, because listening sockets in it keep it alive.
func (c *compiled) watchEnd() {
	if len(c.res.EndWatches) == 0 {
		return
	}
	const at = endDir
	mount := c.register()
	c.add("make "+at, unix.SYS_MKDIRAT, num(cwd), c.cstring(at), num(0o755))
	c.mountTmpfs(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "0555", mount)
	c.add("mount on "+at, unix.SYS_MOVE_MOUNT, reg(mount), c.cstring(""), num(cwd), c.cstring(at), num(unix.MOVE_MOUNT_F_EMPTY_PATH))
	for _, fd := range c.res.EndWatches {
		c.add("watch for the end", unix.SYS_INOTIFY_ADD_WATCH, num(fd), c.cstring(at), num(unix.IN_DELETE_SELF))
	}
}

// sendHome sends a descriptor of the home through Resources.Home. In the child, the
// socket that receives is not needed: the descriptor gets its number, so that the
// message can be made before.
func (c *compiled) sendHome() {
	i := slices.IndexFunc(c.plan.Mounts, func(m session.Mount) bool { return m.Feature == "home" })
	if c.res.Home == nil || i < 0 {
		return
	}
	rights := unix.UnixRights(c.res.Home[0])
	iov := &unix.Iovec{Base: new(byte)}
	iov.SetLen(1)
	message := &unix.Msghdr{Iov: iov, Control: &rights[0]}
	message.SetIovlen(1)
	message.SetControllen(len(rights))
	c.keep = append(c.keep, message)
	home := c.register()
	c.optional(func() {
		at := string(c.plan.Mounts[i].Dest)
		c.add("open "+at, unix.SYS_OPENAT, num(cwd), c.cstring(at), num(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)).into(home)
		c.add("keep "+at, unix.SYS_DUP3, reg(home), num(c.res.Home[0]), num(unix.O_CLOEXEC))
		c.add("send "+at, unix.SYS_SENDMSG, num(c.res.Home[1]), word(uintptr(unsafe.Pointer(message))), num(unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT))
	})
}

// listen binds a socket to path, makes it the program's, and listens.
func (c *compiled) listen(socket int, path session.Path) {
	addr := unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	for i := range min(len(path), len(addr.Path)-1) {
		addr.Path[i] = int8(path[i])
	}
	c.keep = append(c.keep, &addr)
	c.add("bind "+string(path), unix.SYS_BIND, num(socket), word(uintptr(unsafe.Pointer(&addr))), word(unsafe.Sizeof(addr)))
	if id := c.plan.Identity; id.RootMounts() {
		c.add("change the owner of "+string(path), unix.SYS_FCHOWNAT, num(cwd), c.cstring(string(path)), num(id.UID), num(id.GID), num(unix.AT_SYMLINK_NOFOLLOW))
	}
	c.add("listen on "+string(path), unix.SYS_LISTEN, num(socket), num(128))
}
