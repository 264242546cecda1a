package launch

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/account"
)

// mapIDs maps ids in the new user namespace: both uids and gids, because a
// nested namespace needs both (user_namespaces(7)). The child itself writes maps
// of one line. Supplementary groups keep their rights, but setgroups(2) must be
// denied first. Longer maps are written by newuidmap(1), for which the child
// waits.
func (c *compiled) mapIDs() {
	id := c.plan.Identity
	if !id.NeedsNewuidmap() {
		c.writeMaps(id.UIDs, id.GIDs)
		return
	}
	one := make([]byte, 1)
	c.add("wait for the id maps", unix.SYS_READ, num(c.mapped[0]), c.bytes(one), num(1)).result = 1
	if id.InsideUID != 0 {
		return
	}
	// What is made from here on belongs to root inside.
	c.add("set the gid", unix.SYS_SETRESGID, num(0), num(0), num(0))
	c.add("set the uid", unix.SYS_SETRESUID, num(0), num(0), num(0))
	c.dieWithParent() // setresuid(2) clears the parent-death signal
}

// writeMaps makes the child write its own maps.
func (c *compiled) writeMaps(uids, gids account.IDMap) {
	for _, f := range []struct{ file, text string }{
		{"/proc/self/setgroups", "deny"},
		{"/proc/self/uid_map", uids.String()},
		{"/proc/self/gid_map", gids.String()},
	} {
		fd := c.register()
		c.openAt("open "+f.file, num(cwd), f.file, unix.O_WRONLY, 0, fd)
		c.write("write "+f.file, reg(fd), []byte(f.text))
	}
}

// asCaller adds the operations of body. Where root mounts, they have the file
// system rights of the desktop user: the paths are that user's, and may lead
// somewhere else by now. The kernel adjusts the capabilities over files, too
// (capabilities(7), "Effect of user ID changes on capabilities").
func (c *compiled) asCaller(body func()) {
	if !c.plan.Identity.RootMounts() || c.plan.CallerUID == 0 {
		body()
		return
	}
	c.setGroups(c.plan.Groups)
	c.setFSIDs(c.plan.CallerUID, c.plan.CallerGID)
	body()
	c.setFSIDs(0, 0)
	c.setGroups(nil)
}

// setFSIDs checks the ids by asking again: these calls return only the former id.
func (c *compiled) setFSIDs(uid, gid int) {
	c.add("set the file system gid", unix.SYS_SETFSGID, num(gid))
	c.add("check the file system gid", unix.SYS_SETFSGID, num(-1)).result = gid
	c.add("set the file system uid", unix.SYS_SETFSUID, num(uid))
	c.add("check the file system uid", unix.SYS_SETFSUID, num(-1)).result = uid
}

func (c *compiled) setGroups(groups []int) {
	list := make([]uint32, max(1, len(groups)))
	for i, g := range groups {
		list[i] = uint32(g)
	}
	c.keep = append(c.keep, list)
	c.add("set the groups", unix.SYS_SETGROUPS, num(len(groups)), word(uintptr(unsafe.Pointer(&list[0]))))
}

// giveUpRoot sets the program's ids where root has mounted for another user. Root's
// terminal is closed to its commands before. It sets no_new_privs, because a setuid
// file in the tree would be a way back.
func (c *compiled) giveUpRoot() {
	id := c.plan.Identity
	if !id.RootMounts() || id.Kind == session.AsRoot {
		return
	}
	c.refuseTyping()
	groups := c.plan.Groups
	if id.UID != c.plan.CallerUID {
		groups = nil // they are the caller's
	}
	c.setGroups(groups)
	c.add("set the gid", unix.SYS_SETRESGID, num(id.GID), num(id.GID), num(id.GID))
	c.add("set the uid", unix.SYS_SETRESUID, num(id.UID), num(id.UID), num(id.UID))
	c.add("give up privileges", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1), num(0), num(0), num(0))
	c.dieWithParent() // setresuid(2) clears the parent-death signal
}

// makeInTree makes the mount points that only root inside can make in the tree.
// Without newuidmap, prepare has made them.
func (c *compiled) makeInTree(tree int) {
	if !c.plan.Identity.NeedsNewuidmap() {
		return
	}
	dir := c.register()
	for _, p := range c.plan.Preparations {
		if p.InTree == "" {
			continue
		}
		names := strings.Split(strings.Trim(string(p.InTree), "/"), "/")
		for i, name := range names {
			parent, at := strings.Join(names[:i], "/"), "/"+strings.Join(names[:i+1], "/")
			c.openInside(reg(tree), parent, dir, func() string { return "find /" + parent + " in the chroot" })
			c.optional(func() {
				if p.File && i == len(names)-1 {
					c.makeFileInTree(dir, name, at)
				} else {
					c.add("make "+at+" in the chroot", unix.SYS_MKDIRAT, reg(dir), c.cstring(name), num(0o755))
				}
			})
			c.close(dir)
		}
	}
}

// makeFileInTree makes an empty file that belongs to root inside, as its directory
// may do.
func (c *compiled) makeFileInTree(dir int, name, at string) {
	fd := c.register()
	c.openAt("make "+at+" in the chroot", reg(dir), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, session.FilePlaceholderMode, fd)
	if c.plan.Identity.InsideUID != 0 {
		c.add("change the owner of "+at, unix.SYS_FCHOWN, reg(fd), num(0), num(0))
	}
	c.close(fd)
}
