package launch

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/launch/internal/limit"
)

// compiled is a plan as a program, with what the parent needs to explain a
// failure.
type compiled struct {
	*program
	plan    *session.Plan
	tries   []try
	overlay map[int]bool // operations that mount the overlay
	steps   []stepStart  // in order
	placed  []int        // registers of Mounts
}

// stepStart is where a step of the program begins.
type stepStart struct {
	step  Step
	first int // operation
}

// begins marks the next operation as the first of a step.
func (c *compiled) begins(s Step) { c.steps = append(c.steps, stepStart{s, len(c.ops)}) }

// step returns the step to which operation i belongs.
func (c *compiled) step(i int) (s Step) {
	for _, start := range c.steps {
		if start.first <= i {
			s = start.step
		}
	}
	return s
}

// stepStart returns the first operation of a step.
func (c *compiled) stepStart(s Step) int {
	for _, start := range c.steps {
		if start.step == s {
			return start.first
		}
	}
	return len(c.ops)
}

// try is one candidate of the search for the program.
type try struct {
	path       session.Path
	exec, open int    // operations
	head       []byte // its first bytes
}

// headSize is how much of a file that could not be executed is looked at: the
// interpreter's name of an ELF file lies within.
const headSize = 4096

const perLinux32 = 0x0008 // <linux/personality.h>

const self = unix.AT_FDCWD

// Fixed descriptor numbers for the overlay's layers, reserved by the parent:
// fsconfig(2) takes layers as text, so their numbers must be known before.
type layers struct{ upper, lower int }

func reserveLayers() (l layers, err error) {
	if l.upper, err = unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
		l.lower, err = unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		err = os.NewSyscallError("open /", err)
	}
	return l, err
}

func (l layers) close() {
	unix.Close(l.upper)
	unix.Close(l.lower)
}

// compile turns the plan into system calls: gather in the old root, enter,
// place in the new one, execute.
func compile(plan *session.Plan, l layers, svc *Services) *compiled {
	c := &compiled{program: &program{}, plan: plan, overlay: map[int]bool{}}
	c.ops = make([]op, 0, 64+5*len(plan.Mounts)+3*len(plan.Tmpfs)+3*len(plan.Programs))
	id := plan.Identity
	c.begins(StepNamespaces)
	if id.Kind != session.AsRoot {
		c.child()
	}
	if id.Namespace() {
		c.maps(svc)
	} else {
		flags := unix.CLONE_NEWNS
		if plan.Network {
			flags |= unix.CLONE_NEWNET
		}
		c.add("make namespaces", unix.SYS_UNSHARE, num(flags))
		c.add("keep mounts from the host's", unix.SYS_MOUNT, num(0), c.cstring("/"), num(0), num(unix.MS_REC|unix.MS_SLAVE), num(0))
	}
	umask := c.register()
	c.add("save the umask", unix.SYS_UMASK, num(0)).into(umask)
	if plan.Network {
		c.loopback()
	}
	c.begins(StepMount)
	root := c.gather(l, svc)
	c.enter(root)
	c.place()
	c.begins(StepServices)
	c.services(svc)
	c.begins(StepProcess)
	c.add("restore the umask", unix.SYS_UMASK, reg(umask))
	if lim := limit.NoFile; lim.Max != 0 {
		c.keep = append(c.keep, &lim)
		c.add("restore the open-file limit", unix.SYS_PRLIMIT64, num(0), num(unix.RLIMIT_NOFILE), word(uintptr(unsafe.Pointer(&lim))), num(0))
	}
	if plan.Linux32 {
		c.add("take the personality of a 32-bit system", unix.SYS_PERSONALITY, num(perLinux32))
	}
	c.become()
	c.begins(StepChdir)
	c.addf(func() string { return "change to " + string(plan.Cwd) }, unix.SYS_CHDIR, c.cstring(string(plan.Cwd))) // with the program's rights
	c.begins(StepProcess)
	mask := signalMask()
	c.keep = append(c.keep, &mask)
	c.add("restore the signal mask", unix.SYS_RT_SIGPROCMASK, num(unix.SIG_SETMASK), word(uintptr(unsafe.Pointer(&mask))), num(0), word(unsafe.Sizeof(mask)))
	c.execute()
	return c
}

// child ties the child to its parent: when chrun is killed, the kernel kills
// the first process, as if chrun had executed it.
func (c *compiled) child() {
	c.add("tie the program to chrun", unix.SYS_PRCTL, num(unix.PR_SET_PDEATHSIG), num(int(unix.SIGKILL)))
	c.add("find chrun alive", unix.SYS_GETPPID).want = os.Getpid()
}

// loopback raises lo in the new network namespace.
func (c *compiled) loopback() {
	fd := c.register()
	c.add("open a socket", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), num(0)).into(fd)
	req := make([]byte, 40) // struct ifreq
	copy(req, "lo")
	*(*uint16)(unsafe.Pointer(&req[unix.IFNAMSIZ])) = unix.IFF_UP
	c.add("raise the loopback interface", unix.SYS_IOCTL, reg(fd), num(unix.SIOCSIFFLAGS), c.bytes(req))
}

// gather collects every mount's content as descriptors while the old root is
// still there. It returns the register of the new root.
func (c *compiled) gather(l layers, svc *Services) int {
	mounts := c.plan.Mounts
	for range mounts {
		c.placed = append(c.placed, c.register())
	}
	at, tree, tmpfs := c.register(), c.register(), c.register()
	// Where what is attached meanwhile lies: on the chroot's own directory, but
	// where root has handed the tree over the caller may not be able to go there.
	stage := string(c.plan.Tree)
	if svc.Tree >= 0 {
		stage = "/dev"
	}
	c.openAt("open the chroot "+stage, num(self), stage, unix.O_PATH|unix.O_DIRECTORY, 0, at)
	c.asCaller(true)
	for i, m := range mounts {
		if m.Kind == session.FromHost {
			c.clone(i, num(self), m.Source, unix.AT_RECURSIVE)
		}
	}
	c.asCaller(false)
	// The tree is cloned before anything is attached on its directory.
	if svc.Tree >= 0 {
		c.add("take the chroot "+string(c.plan.Tree), unix.SYS_DUP, num(svc.Tree)).into(tree)
	} else {
		c.add("take the chroot "+string(c.plan.Tree), unix.SYS_OPEN_TREE, reg(at), c.cstring(""),
			num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)).into(tree)
	}
	c.tmpfs(tmpfs)
	// Before Linux 6.15 nothing may be cloned from a detached mount: attach both.
	c.attach("attach the tmpfs", tmpfs, at)
	c.fill(tmpfs)
	c.attach("attach the chroot", tree, at)
	c.inTree(tree)
	for i, m := range mounts {
		switch {
		case m.Kind == session.FromTree && i == 0:
			c.placed[0] = tree
		case m.Kind == session.FromTree:
			c.fromTree(i, tree)
		case m.Kind == session.FromTmpfs:
			c.clone(i, reg(tmpfs), m.Source, 0)
		case m.Kind == session.Overlay:
			c.fromOverlay(i, tree, tmpfs, l)
		}
	}
	if c.placed[0] != tree {
		c.attach("attach the root", c.placed[0], at)
	}
	return c.placed[0]
}

// clone takes a copy of the mount at path.
func (c *compiled) clone(i int, dir arg, path string, flags int) {
	m := c.plan.Mounts[i]
	o := c.addf(func() string { return "share " + m.Source }, unix.SYS_OPEN_TREE, dir, c.cstring(path),
		num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)).into(c.placed[i])
	c.restrict(i, o)
}

// restrict makes the taken mount read-only, nosuid, nodev as planned. o is the
// operation that took it; when that one is tolerated to fail, so is this.
func (c *compiled) restrict(i int, o *op) {
	m := c.plan.Mounts[i]
	var set uint64
	if m.ReadOnly {
		set |= unix.MOUNT_ATTR_RDONLY
	}
	if m.Guarded {
		set |= unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	}
	if !m.Required {
		o.orSkip(0)
		if set != 0 {
			o.skip = 1
		}
	}
	if set == 0 || m.Kind == session.Overlay {
		return
	}
	attr := &unix.MountAttr{Attr_set: set}
	c.keep = append(c.keep, attr)
	c.addf(func() string { return "restrict " + string(m.Dest) }, unix.SYS_MOUNT_SETATTR, reg(c.placed[i]), c.cstring(""),
		num(unix.AT_EMPTY_PATH|unix.AT_RECURSIVE), word(uintptr(unsafe.Pointer(attr))), word(unsafe.Sizeof(*attr)))
}

// fromTree takes a part of the tree, found without following any symlink.
func (c *compiled) fromTree(i, tree int) {
	m := c.plan.Mounts[i]
	fd, first := c.register(), len(c.ops)
	c.openInside(reg(tree), strings.TrimPrefix(m.Source, "/"), fd, func() string { return "find " + m.Source + " in the chroot" })
	o := c.addf(func() string { return "share " + m.Source + " of the chroot" }, unix.SYS_OPEN_TREE, reg(fd), c.cstring(""),
		num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_EMPTY_PATH)).into(c.placed[i])
	c.restrict(i, o)
	c.close(fd)
	if !m.Required {
		c.ops[first].orSkip(len(c.ops) - first - 1)
	}
}

// fromOverlay mounts ours over a directory of the tree, read-only.
func (c *compiled) fromOverlay(i, tree, tmpfs int, l layers) {
	m := c.plan.Mounts[i]
	first := len(c.ops)
	low, up, fs := c.register(), c.register(), c.register()
	upper, lower := l.upper, l.lower
	c.openInside(reg(tree), strings.TrimPrefix(m.Lower, "/"), low, func() string { return "find " + m.Lower + " in the chroot" })
	c.openAt("open our layer", reg(tmpfs), m.Source, unix.O_PATH|unix.O_DIRECTORY, 0, up)
	c.add("place the lower layer", unix.SYS_DUP3, reg(low), num(lower), num(unix.O_CLOEXEC))
	c.add("place our layer", unix.SYS_DUP3, reg(up), num(upper), num(unix.O_CLOEXEC))
	c.add("make an overlay", unix.SYS_FSOPEN, c.cstring("overlay"), num(unix.FSOPEN_CLOEXEC)).into(fs)
	c.config(fs, unix.FSCONFIG_SET_STRING, "lowerdir", fmt.Sprintf("/proc/self/fd/%d:/proc/self/fd/%d", upper, lower))
	c.config(fs, unix.FSCONFIG_CMD_CREATE, "", "")
	c.add("mount the overlay", unix.SYS_FSMOUNT, reg(fs), num(unix.FSMOUNT_CLOEXEC),
		num(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)).into(c.placed[i])
	for j := first; j < len(c.ops); j++ {
		c.overlay[j] = true
	}
}

func (c *compiled) config(fs int, cmd int, key, value string) {
	k, v := num(0), num(0)
	if key != "" {
		k, v = c.cstring(key), c.cstring(value)
	}
	c.add("configure a file system", unix.SYS_FSCONFIG, reg(fs), num(cmd), k, v, num(0))
}

// tmpfs makes the one file system of ours.
func (c *compiled) tmpfs(out int) {
	fs := c.register()
	c.add("make a tmpfs", unix.SYS_FSOPEN, c.cstring("tmpfs"), num(unix.FSOPEN_CLOEXEC)).into(fs)
	c.config(fs, unix.FSCONFIG_SET_STRING, "mode", "0755")
	c.config(fs, unix.FSCONFIG_CMD_CREATE, "", "")
	c.add("mount a tmpfs", unix.SYS_FSMOUNT, reg(fs), num(unix.FSMOUNT_CLOEXEC),
		num(unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)).into(out)
}

// fill makes the small files and mount points.
func (c *compiled) fill(tmpfs int) {
	file := c.register()
	for _, n := range c.plan.Tmpfs {
		switch n.Kind {
		case session.Dir:
			c.add("make "+n.Path, unix.SYS_MKDIRAT, reg(tmpfs), c.cstring(n.Path), num(int(n.Mode)))
		case session.Symlink:
			c.add("link "+n.Path, unix.SYS_SYMLINKAT, c.cstring(n.Target), reg(tmpfs), c.cstring(n.Path))
		case session.Regular:
			c.openAt("make "+n.Path, reg(tmpfs), n.Path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, n.Mode, file)
			if len(n.Data) > 0 {
				c.write("write "+n.Path, reg(file), n.Data)
			}
			c.close(file)
		}
		if n.Own && c.plan.Identity.Mounted() {
			c.add("give "+n.Path+" to the program", unix.SYS_FCHOWNAT, reg(tmpfs), c.cstring(n.Path),
				num(c.plan.Identity.UID), num(c.plan.Identity.GID), num(unix.AT_SYMLINK_NOFOLLOW))
		}
	}
}

// enter makes the gathered root the root: pivot_root, never a bare chroot,
// after which the kernel would refuse the sandboxes of browsers their user
// namespaces (user_namespaces(7); kernel/user_namespace.c current_chrooted).
func (c *compiled) enter(root int) {
	c.add("enter the chroot", unix.SYS_FCHDIR, reg(root))
	dot := c.cstring(".")
	c.add("change the root", unix.SYS_PIVOT_ROOT, dot, dot)
	c.add("leave the old root", unix.SYS_UMOUNT2, dot, num(unix.MNT_DETACH))
}

// place moves every gathered mount to its place, found from the mount that
// holds it and without following any symlink: nothing in the tree can lead a
// mount elsewhere.
func (c *compiled) place() {
	d := c.register()
	for i, m := range c.plan.Mounts[1:] {
		i++
		src := c.placed[i]
		first := len(c.ops)
		if !m.Required {
			o := c.add("", 0, reg(src))
			o.then = skipUnset
		}
		c.openInside(reg(c.placed[m.Into]), m.Rel, d, func() string { return "find the mount point " + string(m.Dest) })
		c.addf(func() string { return fmt.Sprintf("mount %s on %s", m.Source, m.Dest) }, unix.SYS_MOVE_MOUNT, reg(src), c.cstring(""), reg(d), c.cstring(""),
			num(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
		c.close(d)
		if !m.Required {
			c.ops[first].skip = len(c.ops) - first - 1
			c.ops[first+1].orSkip(len(c.ops) - first - 2)
			c.ops[first+2].orSkip(0)
		}
	}
}

func (c *compiled) attach(what string, src, at int) {
	c.add(what, unix.SYS_MOVE_MOUNT, reg(src), c.cstring(""), reg(at), c.cstring(""),
		num(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
}

// openInside opens a path below dir of which no component may be a symlink.
func (c *compiled) openInside(dir arg, rel string, out int, what func() string) *op {
	if rel == "" {
		rel = "."
	}
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	c.keep = append(c.keep, how)
	return c.addf(what, unix.SYS_OPENAT2, dir, c.cstring(rel), word(uintptr(unsafe.Pointer(how))), num(unix.SizeofOpenHow)).into(out)
}

func (c *compiled) openAt(what string, dir arg, path string, flags int, mode uint32, out int) *op {
	return c.add(what, unix.SYS_OPENAT, dir, c.cstring(path), num(flags|unix.O_CLOEXEC), num(int(mode))).into(out)
}

func (c *compiled) write(what string, fd arg, data []byte) {
	c.add(what, unix.SYS_WRITE, fd, c.bytes(data), num(len(data))).want = len(data)
}

// close gives a descriptor back. Every one is close-on-exec and a call costs
// time, so that only a plan of many mounts closes any: the hard limit of open
// files may be 4096.
func (c *compiled) close(fd int) {
	if len(c.plan.Mounts)+len(c.plan.Tmpfs) > 500 {
		c.add("close", unix.SYS_CLOSE, reg(fd)).orSkip(0)
	}
}

// execute tries the candidates in turn as execvp(3) does. A candidate that
// cannot be executed is looked at, so that the parent can say why.
func (c *compiled) execute() {
	p := c.plan
	c.begins(StepExecute)
	argv, env := c.strings(p.Argv), c.strings(p.Env)
	fd := c.register()
	for _, path := range p.Programs {
		name := c.cstring(string(path))
		t := try{path: path, exec: len(c.ops), head: make([]byte, headSize)}
		o := c.addf(func() string { return "execute " + string(path) }, unix.SYS_EXECVE, name, argv, env)
		o.then, o.skip = search, 2
		t.open = len(c.ops)
		c.openAt("look at "+string(path), num(self), string(path), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0, fd).orSkip(1)
		c.add("read "+string(path), unix.SYS_READ, reg(fd), c.bytes(t.head), num(headSize)).orSkip(0)
		c.tries = append(c.tries, t)
	}
}
