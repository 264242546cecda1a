package launch

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/start/early"
)

// compiled is a plan as a program, with what is needed to explain a failure.
type compiled struct {
	*program
	plan       *session.Plan
	res        *Resources
	steps      []stepStart
	layers     layers
	tree       int         // a detached mount of the tree, or -1
	mapped     [2]int      // a pipe: newuidmap has mapped the ids
	mountTrees []int       // the register with the content of each of plan.Mounts
	candidates []candidate // of the search for the user's program
}

// stepStart is the first operation of a step.
type stepStart struct {
	step  Step
	first int
}

// beginStep makes the next operation the first of a step.
func (c *compiled) beginStep(s Step) { c.steps = append(c.steps, stepStart{s, len(c.ops)}) }

// stepOf returns the step to which operation i belongs.
func (c *compiled) stepOf(i int) (s Step) {
	for _, start := range c.steps {
		if start.first <= i {
			s = start.step
		}
	}
	return s
}

// firstOf returns the first operation of a step.
func (c *compiled) firstOf(s Step) int {
	for _, start := range c.steps {
		if start.step == s {
			return start.first
		}
	}
	return len(c.ops)
}

const perLinux32 = 0x0008 // <linux/personality.h>

const cwd = unix.AT_FDCWD

// layers are descriptor numbers for the layers of the overlay. fsconfig(2) takes
// layers as paths, which contain the number, so we reserve the numbers before
// the program is compiled.
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

// compile turns the plan into system calls: gather in the old root, enter, place
// in the new root, execute. mapped is used only if newuidmap maps the ids.
func compile(plan *session.Plan, l layers, mapped [2]int, res *Resources, tree int) *compiled {
	c := &compiled{program: &program{}, plan: plan, res: res, layers: l, mapped: mapped, tree: tree}
	c.registers = make([]uintptr, 0, 40+len(plan.Mounts))
	c.ops = make([]op, 0, 64+5*len(plan.Mounts)+3*len(plan.Tmpfs)+5*len(plan.Programs))
	umask := c.register()
	c.beginStep(StepNamespaces)
	c.namespaces(umask)
	c.beginStep(StepMount)
	root := c.gather()
	c.enter(root)
	c.place()
	c.beginStep(StepListen)
	c.setUpResources()
	c.beginStep(StepProcess)
	c.process(umask)
	c.beginStep(StepChdir) // with the program's rights
	c.addf(func() string { return "change to " + string(plan.Cwd) }, unix.SYS_CHDIR, c.cstring(string(plan.Cwd)))
	c.beginStep(StepProcess)
	mask := signalMask()
	c.keep = append(c.keep, &mask)
	c.add("restore the signal mask", unix.SYS_RT_SIGPROCMASK, num(unix.SIG_SETMASK), word(uintptr(unsafe.Pointer(&mask))), num(0), word(unsafe.Sizeof(mask)))
	c.execute()
	return c
}

// namespaces maps the ids in the new user namespace. Without one, it makes the
// other namespaces, which otherwise clone3(2) has made. It saves the umask in a
// register and clears it.
func (c *compiled) namespaces(umask int) {
	if c.plan.Identity.Kind != session.AsRoot {
		c.dieWithParent()
	}
	if c.plan.Identity.HasUserNamespace() {
		c.mapIDs()
	} else {
		flags := unix.CLONE_NEWNS
		if c.plan.Network {
			flags |= unix.CLONE_NEWNET
		}
		c.add("make namespaces", unix.SYS_UNSHARE, num(flags))
		c.add("stop mounts from propagating to the host", unix.SYS_MOUNT, num(0), c.cstring("/"), num(0), num(unix.MS_REC|unix.MS_SLAVE), num(0))
	}
	c.add("save the umask", unix.SYS_UMASK, num(0)).into(umask)
	if c.plan.Network {
		c.loopback()
	}
}

// process gives the program what it inherits from the caller, and its ids.
func (c *compiled) process(umask int) {
	c.add("restore the umask", unix.SYS_UMASK, reg(umask))
	if lim := early.NoFile; lim.Max != 0 {
		c.keep = append(c.keep, &lim)
		c.add("restore the open-file limit", unix.SYS_PRLIMIT64, num(0), num(unix.RLIMIT_NOFILE), word(uintptr(unsafe.Pointer(&lim))), num(0))
	}
	if c.plan.Linux32 {
		c.add("set the personality of a 32-bit system", unix.SYS_PERSONALITY, num(perLinux32))
	}
	c.giveUpRoot()
	if c.plan.Identity.Kind == session.AsRoot {
		for _, fd := range c.res.Inherited {
			c.add("let the program inherit a descriptor", unix.SYS_FCNTL, num(fd), num(unix.F_SETFD), num(0))
		}
	}
}

// dieWithParent makes the kernel kill the program when chrun is killed, as if
// chrun had executed it.
func (c *compiled) dieWithParent() {
	c.add("set the parent-death signal", unix.SYS_PRCTL, num(unix.PR_SET_PDEATHSIG), num(int(unix.SIGKILL)))
	c.add("check that chrun is alive", unix.SYS_GETPPID).result = os.Getpid()
}

// loopback brings up lo in the new network namespace.
func (c *compiled) loopback() {
	fd := c.register()
	c.add("open a socket", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC), num(0)).into(fd)
	req := make([]byte, 40) // struct ifreq
	copy(req, "lo")
	*(*uint16)(unsafe.Pointer(&req[unix.IFNAMSIZ])) = unix.IFF_UP
	c.add("bring up the loopback interface", unix.SYS_IOCTL, reg(fd), num(unix.SIOCSIFFLAGS), c.bytes(req))
}

// openInside opens a path below dir, no component of which may be a symlink.
func (c *compiled) openInside(dir arg, rel string, out int, what func() string) {
	if rel == "" {
		rel = "."
	}
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | unix.O_NOFOLLOW, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	c.keep = append(c.keep, how)
	c.addf(what, unix.SYS_OPENAT2, dir, c.cstring(rel), word(uintptr(unsafe.Pointer(how))), num(unix.SizeofOpenHow)).into(out)
}

func (c *compiled) openAt(what string, dir arg, path string, flags int, mode uint32, out int) {
	c.add(what, unix.SYS_OPENAT, dir, c.cstring(path), num(flags|unix.O_CLOEXEC), num(int(mode))).into(out)
}

func (c *compiled) write(what string, fd arg, data []byte) {
	c.add(what, unix.SYS_WRITE, fd, c.bytes(data), num(len(data))).result = len(data)
}

// close closes a descriptor, but only in a plan with many mounts: the hard limit
// of open files may be 4096. Otherwise it would only cost time, because every
// descriptor is close-on-exec.
func (c *compiled) close(fd int) {
	if len(c.plan.Mounts)+len(c.plan.Tmpfs) > 500 {
		c.optional(func() { c.add("close", unix.SYS_CLOSE, reg(fd)) })
	}
}
