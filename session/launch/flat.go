package launch

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A program is a flat list of system calls that the child of clone3(2) walks
// before it executes the user's program. It is data, prepared completely
// before the clone: the child shares our memory and has no Go runtime of its
// own, so it allocates nothing, takes no lock, and makes raw system calls only.
type program struct {
	ops  []op
	keep []any // what the arguments point to
	// registers hold results (mostly descriptors) for later operations.
	registers []uintptr
	errnos    []syscall.Errno // of each operation, as far as they were walked
	last      int             // the operation that ended the program
}

// op is one system call. No operation knows what it is for: that is in what.
type op struct {
	nr   uintptr
	args [6]arg
	out  int  // register that receives the result, -1: none
	then then // what an error means
	skip int  // operations to pass over after a tolerated error
	want int  // if not -1, a result other than this is an error (EIO)
	what func() string
}

// arg is a number, or the content of a register.
type arg struct {
	value    uintptr
	register int // 1 + register, 0: value
}

// then says what an error of an operation means.
type then uint8

const (
	fail     then = iota // the launch has failed
	tolerate             // remember the errno, pass over op.skip operations
	// search is for execve(2) along PATH (execvp(3)): ENOENT, ENOTDIR and
	// EACCES go on with the next operation, ENOEXEC ends the program after
	// op.skip more, other errors end it at once.
	search
	// skipUnset passes over op.skip operations when register args[0] holds no
	// descriptor, and makes no system call.
	skipUnset
)

func num(v int) arg        { return arg{value: uintptr(v)} }
func word(v uintptr) arg   { return arg{value: v} }
func reg(register int) arg { return arg{register: 1 + register} }

// cstring and bytes keep Go memory alive for the child.
func (p *program) cstring(s string) arg {
	b, err := unix.BytePtrFromString(s)
	if err != nil { // a NUL byte: the plan has refused those
		b = new(byte)
	}
	p.keep = append(p.keep, b)
	return word(uintptr(unsafe.Pointer(b)))
}

func (p *program) bytes(b []byte) arg {
	if len(b) == 0 {
		b = []byte{0}
	}
	p.keep = append(p.keep, b)
	return word(uintptr(unsafe.Pointer(&b[0])))
}

func (p *program) strings(list []string) arg {
	ptrs := make([]*byte, len(list)+1)
	for i, s := range list {
		ptrs[i], _ = unix.BytePtrFromString(s)
	}
	p.keep = append(p.keep, ptrs)
	return word(uintptr(unsafe.Pointer(&ptrs[0])))
}

// register reserves a register, which holds no descriptor yet.
func (p *program) register() int {
	p.registers = append(p.registers, ^uintptr(0))
	return len(p.registers) - 1
}

// add appends a system call whose failure fails the launch.
func (p *program) add(what string, nr uintptr, args ...arg) *op {
	return p.addf(func() string { return what }, nr, args...)
}

func (p *program) addf(what func() string, nr uintptr, args ...arg) *op {
	o := op{nr: nr, out: -1, want: -1, what: what}
	copy(o.args[:], args)
	p.ops = append(p.ops, o)
	return &p.ops[len(p.ops)-1]
}

func (o *op) into(register int) *op { o.out = register; return o }

// orSkip tolerates an error of the operation and then passes over n more.
func (o *op) orSkip(n int) *op { o.then, o.skip = tolerate, n; return o }

// start runs the program in a child made with the given clone flags. The
// child borrows our memory and this thread waits until it executes something
// or ends, as with vfork(2): that is quicker than copying page tables, and the
// child's findings need no channel. It has a stack of its own, so that it
// cannot overwrite the frames of this thread, and clean signal dispositions
// from birth (CLONE_CLEAR_SIGHAND, Linux 5.5). All signals are blocked in it
// until an operation restores the mask; callers add that operation.
//
// The calling goroutine must be locked to its thread for the child's lifetime:
// PR_SET_PDEATHSIG fires when that thread ends.
func (p *program) start(flags uint64) (pid int, err error) {
	return p.begin(flags | unix.CLONE_VFORK)
}

// begin is start without the waiting: the caller must hold p and wait for the
// child to execute something or end before it does anything else with p.
func (p *program) begin(flags uint64) (pid int, err error) {
	p.seal()
	stack := make([]byte, 32<<10)
	p.keep = append(p.keep, stack)
	args := cloneArgs{
		flags:      flags | unix.CLONE_VM | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
		stack:      uint64(uintptr(unsafe.Pointer(&stack[0]))),
		stackSize:  uint64(len(stack)),
	}
	child = p
	all, old := ^uint64(0), uint64(0)
	sigprocmask(&all, &old)
	r, errno := vfork(unsafe.Pointer(&args), unsafe.Sizeof(args))
	sigprocmask(&old, nil)
	runtime.KeepAlive(p)
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}

// cloneArgs is struct clone_args of clone3(2), as of Linux 5.3.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls uint64
}

// child is the program that the next child walks.
var child *program

// vfork calls clone3(2). The child runs childMain on its own stack and never
// returns from here. In assembly, because a child that shares our memory must
// not return through Go's frames.
//
//go:noescape
func vfork(args unsafe.Pointer, size uintptr) (pid uintptr, errno syscall.Errno)

//go:nosplit
//go:norace
func childMain() {
	child.walk()
	for {
		syscall.RawSyscall6(unix.SYS_EXIT_GROUP, 125, 0, 0, 0, 0, 0)
	}
}

// exec runs the program in this very process, whose thread must be locked. It
// returns only if the program failed.
func (p *program) exec() {
	p.seal()
	p.walk()
	runtime.KeepAlive(p)
}

func (p *program) seal() {
	p.errnos = make([]syscall.Errno, len(p.ops))
	p.last = -1
}

// signalMask returns the signal mask of this thread: the caller's, less the
// signals that the Go runtime needs.
func signalMask() (mask uint64) {
	sigprocmask(nil, &mask)
	return mask
}

func sigprocmask(set, old *uint64) {
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK,
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(*set), 0, 0)
}

// walk is the one interpreter.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (p *program) walk() {
	var args [6]uintptr
	end := len(p.ops)
	for i := 0; i < len(p.ops) && i < end; i++ {
		o := &p.ops[i]
		for j := range args {
			if args[j] = o.args[j].value; o.args[j].register > 0 {
				args[j] = p.registers[o.args[j].register-1]
			}
		}
		if o.then == skipUnset {
			if int(args[0]) < 0 {
				i += o.skip
			}
			continue
		}
		r, _, errno := syscall.RawSyscall6(o.nr, args[0], args[1], args[2], args[3], args[4], args[5])
		if errno == 0 && o.want >= 0 && int(r) != o.want {
			errno = syscall.EIO
		}
		if o.out >= 0 {
			p.registers[o.out] = r // -1 after an error
		}
		if errno == 0 {
			continue
		}
		p.errnos[i] = errno
		switch {
		case o.then == tolerate:
			i += o.skip
		case o.then == search && errno == syscall.ENOEXEC:
			end = i + 1 + o.skip
		case o.then == search && (errno == syscall.ENOENT || errno == syscall.ENOTDIR || errno == syscall.EACCES):
		default:
			p.last = i
			return
		}
	}
	p.last = len(p.ops) // nothing could be executed
}

// failed returns the index of the operation that ended the program, the number
// of operations when no candidate could be executed, or -1 when one was.
func (p *program) failed() int { return p.last }

func (p *program) errno(i int) syscall.Errno { return p.errnos[i] }

// String lists the program, for tests and people who debug it.
func (p *program) String() string {
	var b strings.Builder
	for i, o := range p.ops {
		fmt.Fprintf(&b, "%3d %s\n", i, o.what())
	}
	return b.String()
}
