package launch

import (
	"fmt"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// ExecError reports that a program could not be executed.
type ExecError struct {
	Name   string           // COMMAND as typed
	Path   session.Path     // the file that could not be executed; "" if none was found
	Tree   session.HostPath // the chroot tree
	Reason Reason
	Why    string // the reason in words, naming the file
}

func (e *ExecError) Error() string { return fmt.Sprintf("cannot run %q: %s", e.Name, e.Why) }

// Status is the exit status that shells use for the failure: 127 if the program
// was not found, otherwise 126.
func (e *ExecError) Status() int {
	if e.Reason == ReasonNotFound {
		return 127
	}
	return 126
}

// Reason is why a program could not be executed.
type Reason uint8

const (
	ReasonOther         Reason = iota // another errno of execve(2)
	ReasonNotFound                    // no file of that name, along PATH or at the path
	ReasonIsDirectory                 // the path leads to a directory
	ReasonNotExecutable               // no execute permission
	ReasonNoexec                      // the chroot is on a file system mounted noexec
	ReasonNoInterpreter               // the file's interpreter ("#!" line, PT_INTERP) is missing
	ReasonWrongMachine                // an ELF file for another machine
	ReasonScript                      // text without a "#!" line, and no shell can be executed
	ReasonNotProgram                  // neither an ELF file nor text
)

// candidate is one path that may be the user's program.
type candidate struct {
	path              session.Path
	exec, open, shell int    // operations; the one after open reads head, the one after shell executes /bin/sh
	head              []byte // the beginning of the file
}

// headSize is enough to find the name of an ELF file's interpreter.
const headSize = 4096

// execute tries the candidates in turn, as execvp(3) does, which gives a text without a
// "#!" line to the shell. If a candidate cannot be executed, it reads the file's
// beginning, so that execError can say why.
func (c *compiled) execute() {
	c.beginStep(StepExecute)
	ofShell, env := c.pointers(append([]string{"sh"}, c.plan.Argv...)), c.strings(c.plan.Env)
	argv := ofShell[1:]
	fd := c.register()
	for i, path := range c.plan.Programs {
		t := candidate{path: path, exec: len(c.ops), head: make([]byte, headSize)}
		file, size := c.cstring(string(path)), c.register()
		c.addf(func() string { return "execute " + string(path) }, unix.SYS_EXECVE, file, address(argv), env)
		t.open = len(c.ops)
		c.optional(func() {
			c.openAt("open "+string(path), num(cwd), string(path), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0, fd)
			c.optional(func() { c.add("read "+string(path), unix.SYS_READ, reg(fd), c.bytes(t.head), num(headSize)).into(size) })
		})
		t.shell = len(c.ops)
		c.add("", 0, num(i), reg(size))
		c.optional(func() { c.add("execute /bin/sh", unix.SYS_EXECVE, c.cstring("/bin/sh"), address(ofShell), env) })
		c.setRule(t.shell, ifScript)
		c.setRule(t.exec, search)
		c.candidates = append(c.candidates, t)
		c.scripts = append(c.scripts, script{exec: t.exec, head: t.head, name: &argv[0], path: file.value})
	}
}

// execError explains why the program could not be executed. If several files
// exist, it is about the first.
func (c *compiled) execError() error {
	e := &ExecError{Name: c.plan.Command(), Tree: c.plan.Tree, Reason: ReasonNotFound, Why: fmt.Sprintf("not found in the chroot %q", c.plan.Name)}
	if i := c.failed(); i < len(c.ops) { // an unusual errno
		e.Reason, e.Why = ReasonOther, c.errno(i).Error()
		for _, t := range c.candidates {
			if t.exec == i {
				e.Path = t.path
			}
		}
		return e
	}
	for _, t := range c.candidates {
		errno := c.errno(t.exec)
		exists := c.errno(t.open) == 0 || c.errno(t.open) == unix.EACCES && errno == unix.EACCES
		if errno == 0 || !exists {
			continue
		}
		e.Path = t.path
		switch errno {
		case unix.ENOENT:
			e.Reason = ReasonNoInterpreter
			e.Why = fmt.Sprintf("%s exists, but its interpreter %s is not in the chroot", t.path, interpreter(t.head))
		case unix.ENOEXEC:
			e.Reason, e.Why = badFormat(t.path, t.head, c.errno(t.shell+1) != 0)
		case unix.EACCES:
			e.Reason, e.Why = c.notExecutable(t)
		default:
			e.Reason, e.Why = ReasonOther, fmt.Sprintf("%s: %v", t.path, errno)
		}
		return e
	}
	return e
}

// notExecutable explains EACCES.
func (c *compiled) notExecutable(t candidate) (Reason, string) {
	if c.errno(t.open+1) != 0 { // it could be opened but not read
		return ReasonIsDirectory, fmt.Sprintf("%s is a directory", t.path)
	}
	why := fmt.Sprintf("%s: %v", t.path, unix.EACCES)
	var fs unix.Statfs_t
	if unix.Statfs(string(c.plan.Tree), &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		return ReasonNoexec, why
	}
	return ReasonNotExecutable, why
}
