package launch

import (
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"chrun/session/start"
)

// A program is a flat list of system calls. The child of clone3(2) makes them
// before it executes the user's program. The list is complete before the clone,
// because the child shares our memory and has no Go runtime of its own: it must
// not allocate or lock anything, and can only make raw system calls.
type program struct {
	ops  []op
	keep []any  // what the arguments point to, for the garbage collector
	text []byte // the last of the pieces of memory, in keep, that hold C strings
	// registers hold results, mostly descriptors, for later operations.
	registers []uintptr
	errnos    []syscall.Errno // of each operation that was executed
	scripts   []script        // what may be text without a "#!" line
	last      int             // the operation that ended the program
}

// script is a file that the shell gets if it is text: name, the shell's first argument,
// becomes the pointer path.
type script struct {
	exec int    // the operation that executes it
	head []byte // its beginning
	name *uintptr
	path uintptr
}

// op is one system call. The interpreter does not know its purpose; what
// describes it for messages.
type op struct {
	nr     uint16
	inReg  uint8 // bits: which args are registers
	rule   rule
	skip   int32      // how many operations the rule skips
	args   [5]uintptr // or registers that hold them
	out    int32      // the register that receives the result, or -1
	result int        // any other result is an error (EIO), unless -1
	what   func() string
}

// arg is a number, or the content of a register.
type arg struct {
	value    uintptr
	register int // 1 + the register, or 0 for value
}

// rule tells how the interpreter proceeds after an operation.
type rule uint8

const (
	// mustSucceed ends the program after an error: the launch has failed.
	//lint:ignore U1000 it is the zero value
	mustSucceed rule = iota
	// maySkip records the errno of an error and skips op.skip operations.
	maySkip
	// search is for execve(2) with each candidate along PATH, as in execvp(3).
	// After ENOENT, ENOTDIR and EACCES the program continues with the next
	// operation, after ENOEXEC it ends when op.skip more operations are done.
	// Other errors end it at once.
	search
	// skipUnset makes no system call. It skips op.skip operations if the register
	// in args[0] does not hold a descriptor.
	skipUnset
	// ifScript makes no system call. It skips op.skip operations unless scripts[args[0]]
	// has to be given to the shell. args[1] is what reading its beginning has returned.
	ifScript
)

func num(v int) arg        { return arg{value: uintptr(v)} }
func word(v uintptr) arg   { return arg{value: v} }
func reg(register int) arg { return arg{register: 1 + register} }

// cstring and strings return pointers to copies, and bytes to b itself. All stay alive
// as long as p does.
func (p *program) cstring(s string) arg {
	if strings.Contains(s, "\x00") { // plans never contain it
		s = ""
	}
	if n := len(s) + 1; cap(p.text)-len(p.text) < n {
		p.text = make([]byte, 0, max(n, 8<<10))
		p.keep = append(p.keep, p.text)
	}
	start := len(p.text)
	p.text = append(append(p.text, s...), 0)
	return word(uintptr(unsafe.Pointer(&p.text[start])))
}

func (p *program) bytes(b []byte) arg {
	if len(b) == 0 {
		b = []byte{0}
	}
	p.keep = append(p.keep, b)
	return word(uintptr(unsafe.Pointer(&b[0])))
}

func (p *program) strings(list []string) arg { return address(p.pointers(list)) }

// pointers returns the array of which strings returns the address.
func (p *program) pointers(list []string) []uintptr {
	ptrs := make([]uintptr, len(list)+1)
	for i, s := range list {
		ptrs[i] = p.cstring(s).value
	}
	p.keep = append(p.keep, ptrs)
	return ptrs
}

func address(list []uintptr) arg { return word(uintptr(unsafe.Pointer(&list[0]))) }

// register reserves a register that does not hold a descriptor yet.
func (p *program) register() int {
	p.registers = append(p.registers, ^uintptr(0))
	return len(p.registers) - 1
}

// add appends a system call that must succeed.
func (p *program) add(what string, nr uint16, args ...arg) *op {
	return p.addf(func() string { return what }, nr, args...)
}

func (p *program) addf(what func() string, nr uint16, args ...arg) *op {
	o := op{nr: nr, out: -1, result: -1, what: what}
	for i, a := range args {
		o.args[i] = a.value
		if a.register > 0 {
			o.args[i], o.inReg = uintptr(a.register-1), o.inReg|1<<i
		}
	}
	p.ops = append(p.ops, o)
	return &p.ops[len(p.ops)-1]
}

func (o *op) into(register int) *op { o.out = int32(register); return o }

// optional appends the operations that body adds. If the first of them fails,
// the program continues after the last.
func (p *program) optional(body func()) {
	first := len(p.ops)
	body()
	p.setRule(first, maySkip)
}

// optionalUnless is like optional, or adds body as it is if required is set.
func (p *program) optionalUnless(required bool, body func()) {
	if required {
		body()
		return
	}
	p.optional(body)
}

// ifSet appends the operations that body adds. They are executed only if the
// register holds a descriptor.
func (p *program) ifSet(register int, body func()) {
	first := len(p.ops)
	p.add("", 0, reg(register))
	body()
	p.setRule(first, skipUnset)
}

// setRule sets the rule of an operation such that it skips all after it.
func (p *program) setRule(i int, r rule) {
	p.ops[i].rule, p.ops[i].skip = r, int32(len(p.ops)-i-1)
}

// startAndWait runs the program in a child made with the given clone flags, and
// returns when the child has executed a file or ended. The child borrows our
// memory while this thread waits, as with vfork(2): that is faster than copying
// page tables, and we can read the errnos that the child records.
//
// The child has its own stack, so that it cannot overwrite the frames of this
// thread, and default signal dispositions from the start (CLONE_CLEAR_SIGHAND,
// Linux 5.5). All its signals are blocked until an operation, which the caller
// must add, restores the mask.
//
// The thread that starts the child must not end before it, because PR_SET_PDEATHSIG
// fires then. The Go runtime ends a thread only if a goroutine that is locked to it ends.
func (p *program) startAndWait(flags uint64) (pid int, err error) {
	return p.start(flags | unix.CLONE_VFORK)
}

// start does not wait. Until the child has executed a file or ended, the caller
// must keep p alive and not use it.
func (p *program) start(flags uint64) (pid int, err error) {
	p.clearResults()
	stack := make([]byte, 32<<10)
	p.keep = append(p.keep, stack)
	args := cloneArgs{
		flags:      flags | unix.CLONE_VM | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
		stack:      uint64(uintptr(unsafe.Pointer(&stack[0]))),
		stackSize:  uint64(len(stack)),
	}
	childProgram = p
	pid, errno := args.clone()
	runtime.KeepAlive(p)
	if errno != 0 {
		return 0, errno
	}
	return pid, nil
}

// clone makes a child with blocked signals and with the caller's timer slack, both of
// which it has from this thread. As signals are blocked and there is no check of the
// stack, the runtime cannot interrupt this function and move it to another thread.
//
//go:nosplit
//go:norace
func (a *cloneArgs) clone() (pid int, errno syscall.Errno) {
	all, old := ^uint64(0), uint64(0)
	sigprocmask(&all, &old)
	start.RestoreSlack()
	r, errno := clone3(unsafe.Pointer(a), unsafe.Sizeof(*a))
	sigprocmask(&old, nil)
	return int(r), errno
}

// cloneArgs is struct clone_args of clone3(2), as of Linux 5.3.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls uint64
}

// childProgram is the program that the next child runs.
//
//lint:ignore U1000 childMain uses it
var childProgram *program

// clone3 makes the system call. The child runs childMain on its own stack and
// never returns from here. This is in assembly because a child that shares our
// memory must not return through Go's frames.
//
//go:noescape
func clone3(args unsafe.Pointer, size uintptr) (pid uintptr, errno syscall.Errno)

//
//lint:ignore U1000 the assembly of clone3 calls it
//go:nosplit
//go:norace
func childMain() {
	childProgram.interpret(0, len(childProgram.ops))
	for {
		syscall.RawSyscall6(unix.SYS_EXIT_GROUP, 125, 0, 0, 0, 0, 0)
	}
}

// runInPlace runs the program in this process, whose thread must be locked. If the
// operations before pause have succeeded, it calls paused before the others. It
// returns only if the program failed.
func (p *program) runInPlace(pause int, paused func()) {
	p.clearResults()
	p.interpret(0, pause)
	if p.last == pause {
		paused()
		p.interpret(pause, len(p.ops))
	}
	runtime.KeepAlive(p)
}

func (p *program) clearResults() {
	p.errnos = make([]syscall.Errno, len(p.ops))
	p.last = -1
}

// signalMask returns the signal mask of this thread. It is the caller's, without
// the signals that the Go runtime needs.
func signalMask() (mask uint64) {
	sigprocmask(nil, &mask)
	return mask
}

//go:nosplit
//go:norace
func sigprocmask(set, old *uint64) {
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK,
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(*set), 0, 0)
}

// interpret executes the operations from first on, and before last. It is the only
// interpreter.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (p *program) interpret(first, last int) {
	var args [5]uintptr
	end := last
	for i := first; i < last && i < end; i++ {
		o := &p.ops[i]
		for j := range args {
			if args[j] = o.args[j]; o.inReg&(1<<j) != 0 {
				args[j] = p.registers[args[j]]
			}
		}
		switch o.rule {
		case skipUnset:
			if int(args[0]) < 0 {
				i += int(o.skip)
			}
			continue
		case ifScript:
			s := &p.scripts[args[0]]
			if p.errnos[s.exec] != syscall.ENOEXEC || int(args[1]) < 0 || !isText(s.head[:args[1]]) {
				i += int(o.skip)
			} else {
				*s.name = s.path
			}
			continue
		}
		r, _, errno := syscall.RawSyscall6(uintptr(o.nr), args[0], args[1], args[2], args[3], args[4], 0)
		if errno == 0 && o.result >= 0 && int(r) != o.result {
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
		case o.rule == maySkip:
			i += int(o.skip)
		case o.rule == search && errno == syscall.ENOEXEC:
			end = i + 1 + int(o.skip)
		case o.rule == search && (errno == syscall.ENOENT || errno == syscall.ENOTDIR || errno == syscall.EACCES):
		default:
			p.last = i
			return
		}
	}
	p.last = last // the program is at its pause, or no candidate could be executed
}

// isText reports whether the beginning of a file is text. It must not call anything,
// such as the comparison of strings in a build with -race: the stack is not Go's.
//
//go:nosplit
//go:norace
func isText(head []byte) bool {
	for _, b := range head {
		if b == 0 { // an ELF file has some in its first 16 bytes
			return false
		}
	}
	return true
}

// failed returns the operation that ended the program, the number of operations
// if no candidate could be executed, or -1 if one was.
func (p *program) failed() int { return p.last }

func (p *program) errno(i int) syscall.Errno { return p.errnos[i] }
