package launch

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// gather opens the content of every mount in the old root. It returns the
// register of the new root.
func (c *compiled) gather() int {
	mounts := c.plan.Mounts
	c.mountTrees = make([]int, len(mounts))
	for i := range mounts {
		c.mountTrees[i] = c.register()
	}
	at, tree, tmpfs := c.register(), c.register(), c.register()
	// at is where trees are attached temporarily. The directory of the chroot
	// serves, unless root has opened the tree: then the caller may not have access
	// to that directory, and the path may lead to another one by now.
	stage := string(c.plan.Tree)
	if c.tree >= 0 {
		stage = "/dev"
	}
	c.openAt("open the chroot "+stage, num(cwd), stage, unix.O_PATH|unix.O_DIRECTORY, 0, at)
	c.asCaller(func() {
		for i, m := range mounts {
			if m.Kind == session.FromHost {
				c.clone(i, num(cwd), m.Source, unix.AT_RECURSIVE)
			}
		}
	})
	// The tree is cloned before anything is attached to its directory.
	if c.tree >= 0 {
		c.add("take the chroot "+string(c.plan.Tree), unix.SYS_FCNTL, num(c.tree), num(unix.F_DUPFD_CLOEXEC), num(3)).into(tree)
	} else {
		c.add("take the chroot "+string(c.plan.Tree), unix.SYS_OPEN_TREE, reg(at), c.cstring(""),
			num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)).into(tree)
	}
	fs := c.mountTmpfs(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, "0755", tmpfs)
	// Before Linux 6.15 the kernel does not clone from detached mounts, so both
	// are attached.
	c.attach("attach the tmpfs", tmpfs, at)
	large := slices.ContainsFunc(c.plan.Tmpfs, func(n session.Node) bool { return len(n.Pieces) > 0 })
	if large {
		c.setHuge(fs, "within_size")
	}
	c.fill(tmpfs)
	if large {
		c.setHuge(fs, "never") // programs may have sparse files in other parts of it
	}
	c.attach("attach the chroot", tree, at)
	c.makeInTree(tree)
	for i, m := range mounts {
		switch {
		case m.Kind == session.FromTree && i == 0:
			c.mountTrees[0] = tree
		case m.Kind == session.FromTree:
			c.fromTree(i, tree)
		case m.Kind == session.FromTmpfs:
			c.clone(i, reg(tmpfs), m.Source, 0)
		case m.Kind == session.Overlay:
			c.fromOverlay(i, tree, tmpfs)
		}
	}
	if c.mountTrees[0] != tree {
		c.attach("attach the root", c.mountTrees[0], at)
	}
	return c.mountTrees[0]
}

// takeTree returns a detached mount of the tree where root has opened it: the one
// that root handed over or, where root mounts, a clone of the directory from which
// everything was read. It is -1 in other launches, which open the path again. The
// clone is made here because the kernel refuses it in the child's new namespace.
func takeTree(plan *session.Plan, root *rootfs.Root, res *Resources) (fd int, closeTree func(), err error) {
	if res.Tree >= 0 || !plan.Identity.RootMounts() {
		return res.Tree, func() {}, nil
	}
	fd, err = unix.OpenTree(root.Descriptor(), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)
	if err != nil {
		return -1, nil, &SetupError{Step: StepMount, What: "take the chroot " + string(plan.Tree), Err: err}
	}
	return fd, func() { unix.Close(fd) }, nil
}

// clone clones the mount at path, which may fail unless it is required.
func (c *compiled) clone(i int, dir arg, path string, flags int) {
	m := &c.plan.Mounts[i]
	c.optionalUnless(m.Required, func() {
		c.addf(func() string { return "share " + m.Source }, unix.SYS_OPEN_TREE, dir, c.cstring(path),
			num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)).into(c.mountTrees[i])
		c.restrict(i)
	})
}

// restrict makes a cloned mount read-only, nosuid and nodev as planned. That
// must succeed even if the mount is optional.
func (c *compiled) restrict(i int) {
	m := &c.plan.Mounts[i]
	var set uint64
	if m.ReadOnly {
		set |= unix.MOUNT_ATTR_RDONLY
	}
	if m.NoSuidNoDev {
		set |= unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	}
	if set == 0 {
		return
	}
	attr := &unix.MountAttr{Attr_set: set}
	c.keep = append(c.keep, attr)
	c.addf(func() string { return "restrict " + string(m.Dest) }, unix.SYS_MOUNT_SETATTR, reg(c.mountTrees[i]), c.cstring(""),
		num(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), word(uintptr(unsafe.Pointer(attr))), word(unsafe.Sizeof(*attr)))
}

// fromTree clones a part of the tree, found without following any symlink.
func (c *compiled) fromTree(i, tree int) {
	m := &c.plan.Mounts[i]
	fd := c.register()
	c.optionalUnless(m.Required, func() {
		c.openInside(reg(tree), strings.TrimPrefix(m.Source, "/"), fd, func() string { return "find " + m.Source + " in the chroot" })
		c.optionalUnless(m.Required, func() {
			c.addf(func() string { return "share " + m.Source + " of the chroot" }, unix.SYS_OPEN_TREE, reg(fd), c.cstring(""),
				num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)).into(c.mountTrees[i])
			c.restrict(i)
		})
		c.close(fd)
	})
}

// fromOverlay mounts a directory of our tmpfs over one of the tree, read-only.
func (c *compiled) fromOverlay(i, tree, tmpfs int) {
	m := &c.plan.Mounts[i]
	low, up, fs := c.register(), c.register(), c.register()
	upper, lower := c.layers.upper, c.layers.lower
	c.beginStep(StepOverlay)
	c.openInside(reg(tree), strings.TrimPrefix(m.Lower, "/"), low, func() string { return "find " + m.Lower + " in the chroot" })
	c.openAt("open the upper layer", reg(tmpfs), m.Source, unix.O_PATH|unix.O_DIRECTORY, 0, up)
	c.add("duplicate the lower layer", unix.SYS_DUP3, reg(low), num(lower), num(unix.O_CLOEXEC))
	c.add("duplicate the upper layer", unix.SYS_DUP3, reg(up), num(upper), num(unix.O_CLOEXEC))
	c.add("make an overlay", unix.SYS_FSOPEN, c.cstring("overlay"), num(unix.FSOPEN_CLOEXEC)).into(fs)
	c.configure(fs, unix.FSCONFIG_SET_STRING, "lowerdir", fmt.Sprintf("/proc/self/fd/%d:/proc/self/fd/%d", upper, lower))
	c.configure(fs, unix.FSCONFIG_CMD_CREATE, "", "")
	c.add("mount the overlay", unix.SYS_FSMOUNT, reg(fs), num(unix.FSMOUNT_CLOEXEC),
		num(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)).into(c.mountTrees[i])
	c.beginStep(StepMount)
}

func (c *compiled) configure(fs int, cmd int, key, value string) {
	k, v := num(0), num(0)
	if key != "" {
		k, v = c.cstring(key), c.cstring(value)
	}
	c.add("configure a file system", unix.SYS_FSCONFIG, reg(fs), num(cmd), k, v, num(0))
}

// mountTmpfs makes a detached mount of a new tmpfs. mode is that of its root. It
// returns the register of the file system's context.
func (c *compiled) mountTmpfs(attr int, mode string, out int) (fs int) {
	fs = c.register()
	c.add("make a tmpfs", unix.SYS_FSOPEN, c.cstring("tmpfs"), num(unix.FSOPEN_CLOEXEC)).into(fs)
	if mode != "" {
		c.configure(fs, unix.FSCONFIG_SET_STRING, "mode", mode)
	}
	c.configure(fs, unix.FSCONFIG_CMD_CREATE, "", "")
	c.add("mount a tmpfs", unix.SYS_FSMOUNT, reg(fs), num(unix.FSMOUNT_CLOEXEC), num(attr)).into(out)
	return fs
}

// setHuge says which files of a tmpfs get huge pages from now on (tmpfs(5)), which is
// faster for large ones. Kernels without transparent huge pages refuse it.
func (c *compiled) setHuge(fs int, which string) {
	c.optional(func() {
		c.configure(fs, unix.FSCONFIG_SET_STRING, "huge", which)
		c.optional(func() { c.configure(fs, unix.FSCONFIG_CMD_RECONFIGURE, "", "") })
	})
}

// fill makes the files and directories of our tmpfs.
func (c *compiled) fill(tmpfs int) {
	file := c.register()
	for _, n := range c.plan.Tmpfs {
		switch n.Kind {
		case session.Dir:
			c.add("make "+n.Path, unix.SYS_MKDIRAT, reg(tmpfs), c.cstring(n.Path), num(int(n.Mode)))
		case session.Symlink:
			c.add("make the symlink "+n.Path, unix.SYS_SYMLINKAT, c.cstring(n.Target), reg(tmpfs), c.cstring(n.Path))
		case session.Regular:
			c.openAt("make "+n.Path, reg(tmpfs), n.Path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, n.Mode, file)
			if len(n.Data) > 0 {
				c.write("write "+n.Path, reg(file), n.Data)
			}
			c.copyPieces(n, file)
			c.close(file)
		}
		if n.OwnedByProgram && c.plan.Identity.RootMounts() {
			c.add("change the owner of "+n.Path, unix.SYS_FCHOWNAT, reg(tmpfs), c.cstring(n.Path),
				num(c.plan.Identity.UID), num(c.plan.Identity.GID), num(unix.AT_SYMLINK_NOFOLLOW))
		}
	}
}

// copyPieces writes a file that consists of parts of one of the tree, without what that
// has lost meanwhile.
func (c *compiled) copyPieces(n session.Node, file int) {
	if len(n.Pieces) == 0 {
		return
	}
	// The size comes first, because tmpfs takes huge pages only within it.
	c.add("resize "+n.Path, unix.SYS_FTRUNCATE, reg(file), num(int(n.Size())))
	for _, p := range n.Pieces {
		if p.Length == 0 {
			c.write("write "+n.Path, reg(file), p.Data)
			continue
		}
		offset := &p.Offset
		c.keep = append(c.keep, offset)
		c.optional(func() {
			c.add("copy "+string(n.Original)+" of the chroot", unix.SYS_SENDFILE, reg(file), num(c.res.originals[n.Path]),
				word(uintptr(unsafe.Pointer(offset))), num(int(p.Length))).result = int(p.Length)
		})
	}
	end := c.register()
	c.add("find the end of "+n.Path, unix.SYS_LSEEK, reg(file), num(0), num(unix.SEEK_CUR)).into(end)
	c.add("resize "+n.Path, unix.SYS_FTRUNCATE, reg(file), reg(end))
}

// openOriginals opens the files of the tree from which files are copied, with the
// rights of the caller.
func (r *Resources) openOriginals(plan *session.Plan, root *rootfs.Root) (closeAll func(), err error) {
	for _, n := range plan.Tmpfs {
		if n.Original == "" {
			continue
		}
		if r.originals == nil {
			r.originals = map[string]int{}
		}
		err = asCaller(plan, func() error {
			fd, err := root.OpenFile(n.Original)
			if err == nil {
				r.originals[n.Path] = fd
			}
			return err
		})
		if err != nil {
			err = &SetupError{Step: StepMount, What: "read " + string(n.Original) + " of the chroot", Err: err}
			break
		}
	}
	return func() {
		for _, fd := range r.originals {
			unix.Close(fd)
		}
	}, err
}

// enter makes the gathered root the root directory. It uses pivot_root(2):
// inside a chroot(2) the kernel would refuse to make user namespaces, which the
// sandboxes of browsers need (user_namespaces(7); kernel/user_namespace.c,
// current_chrooted).
func (c *compiled) enter(root int) {
	c.add("enter the chroot", unix.SYS_FCHDIR, reg(root))
	dot := c.cstring(".")
	c.add("change the root", unix.SYS_PIVOT_ROOT, dot, dot)
	c.add("leave the old root", unix.SYS_UMOUNT2, dot, num(unix.MNT_DETACH))
}

// place moves every gathered mount to its mount point. It finds that from the
// root of the mount that contains it, without following symlinks, so that
// nothing in the tree can divert a mount.
func (c *compiled) place() {
	point := c.register()
	for i, m := range c.plan.Mounts {
		switch {
		case i == 0: // the root
		case m.Required:
			c.placeMount(i, point)
		default:
			c.ifSet(c.mountTrees[i], func() {
				c.optional(func() { c.placeMount(i, point) })
			})
		}
	}
}

func (c *compiled) placeMount(i, point int) {
	m := &c.plan.Mounts[i]
	if m.Rel != "" && !strings.Contains(m.Rel, "/") { // one name, which move_mount(2) does not follow
		c.addf(func() string { return fmt.Sprintf("mount %s on %s", m.Source, m.Dest) }, unix.SYS_MOVE_MOUNT, reg(c.mountTrees[i]), c.cstring(""),
			reg(c.mountTrees[m.Into]), c.cstring(m.Rel), num(unix.MOVE_MOUNT_F_EMPTY_PATH))
		return
	}
	c.openInside(reg(c.mountTrees[m.Into]), m.Rel, point, func() string { return "find the mount point " + string(m.Dest) })
	c.optionalUnless(m.Required, func() {
		c.addf(func() string { return fmt.Sprintf("mount %s on %s", m.Source, m.Dest) }, unix.SYS_MOVE_MOUNT, reg(c.mountTrees[i]), c.cstring(""), reg(point), c.cstring(""),
			num(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
	})
	c.close(point)
}

// attach moves a detached mount to the directory at.
func (c *compiled) attach(what string, tree, at int) {
	c.add(what, unix.SYS_MOVE_MOUNT, reg(tree), c.cstring(""), reg(at), c.cstring(""),
		num(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
}
