// Package launch is the only part that changes anything: it prepares homes,
// compiles a plan into a flat program of system calls, runs that in a child
// (or, as root, in place), waits like a shell's job, and explains failures.
package launch

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// ErrOverlay says that the kernel refused the overlay over the tree's /etc
// (the tree has mounts below its /etc, or is itself on stacked overlays): the
// plan must be made again with Request.NoOverlay.
var ErrOverlay = errors.New("the kernel refuses an overlay over the chroot's /etc")

// Run carries out the plan and returns the program's status. note is told, when
// the program has started, what could not be shared and was not required. As
// root Run does not return when the program starts, since it becomes the
// program. svc may be nil. The calling goroutine must be locked to a thread that
// outlives the program.
//
// Errors: ErrOverlay, *SetupError, *ExecError, *NamespaceError.
func Run(plan *session.Plan, root *rootfs.Root, svc *Services, note func(string)) (unix.WaitStatus, error) {
	if svc == nil {
		svc = &Services{Tree: -1}
	}
	if err := prepare(plan, root); err != nil {
		return 0, err
	}
	if plan.Identity.Kind != session.AsRoot {
		defer asCaller(plan, func() error { sweep(plan); return nil })
	}
	status, err := run(plan, svc, note)
	var script, shell *ExecError
	if !errors.As(err, &script) || script.Reason != ReasonScript {
		return status, err
	}
	// A text file without "#!" is a shell script (execvp(3)).
	plan.Argv = append([]string{"sh", string(script.Path)}, plan.Argv[1:]...)
	plan.Programs = []session.Path{"/bin/sh"}
	if plan.Identity.Kind == session.AsRoot { // this very process is in the chroot already
		c := &compiled{program: &program{}, plan: plan}
		c.execute()
		c.program.exec()
		err = c.explain()
	} else {
		status, err = run(plan, svc, note)
	}
	if errors.As(err, &shell) {
		script.Why += ", and /bin/sh cannot be executed"
		return 0, script
	}
	return status, err
}

func run(plan *session.Plan, svc *Services, note func(string)) (unix.WaitStatus, error) {
	l, err := reserveLayers()
	if err != nil {
		return 0, err
	}
	defer l.close()
	var helped *helped
	if plan.Identity.Helped() {
		if helped, err = newHelped(svc); err != nil {
			return 0, err
		}
		defer helped.close()
	}
	c := compile(plan, l, svc)
	if plan.Identity.Kind == session.AsRoot {
		c.program.exec()
		return 0, c.explain()
	}
	var flags uint64
	if plan.Identity.Namespace() {
		flags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
		if plan.Network {
			flags |= unix.CLONE_NEWNET
		}
	}
	signals, err := watch()
	if err != nil {
		return 0, err
	}
	start := c.start
	if helped != nil {
		start = func(flags uint64) (int, error) { return helped.start(c.program, flags, &plan.Identity) }
	}
	pid, err := start(flags)
	if err != nil {
		if helper := (*helperError)(nil); errors.As(err, &helper) {
			return 0, err
		}
		return 0, &NamespaceError{Op: "clone", Err: err}
	}
	if c.failed() < 0 {
		c.left(note)
	}
	c.free()
	status := follow(pid, signals, svc)
	if c.failed() >= 0 {
		return 0, c.explain()
	}
	runtime.KeepAlive(c)
	return status, nil
}

// free gives back what only the start needed, since chrun stays beside the
// program.
func (c *compiled) free() { c.keep = nil }

// SetupError reports which step of a launch failed.
type SetupError struct {
	Step Step
	What string // the operation, as in "cannot What: Err"
	Err  error
}

// Step is a part of a launch, in order.
type Step uint8

const (
	StepRecordHome Step = iota // record whose home a private home is
	StepHelper                 // start the helper process
	StepRelay                  // make the sockets of relays
	StepGrant                  // grant the program's user access to the desktop
	StepHome                   // make the private home
	StepMountPoint             // make mount points in the home and in the tree
	StepNamespaces             // make the namespaces
	StepMount                  // mount everything and enter the tree
	StepServices               // listen for relays, watch for the end
	StepProcess                // restore what the program inherits, take its ids
	StepChdir                  // change to the working directory
	StepExecute                // execute the program
)

func (e *SetupError) Error() string { return fmt.Sprintf("cannot %s: %v", e.What, e.Err) }
func (e *SetupError) Unwrap() error { return e.Err }

// NamespaceError says that this host does not let the caller make a user
// namespace that is good for a launch.
type NamespaceError struct {
	Op  string
	Err error
}

func (e *NamespaceError) Error() string {
	return fmt.Sprintf("cannot make a user namespace: %s: %v", e.Op, e.Err)
}
func (e *NamespaceError) Unwrap() error { return e.Err }

// explain says why the program of system calls ended.
func (c *compiled) explain() error {
	i := c.failed()
	if i < len(c.ops) {
		o, step := c.ops[i], c.step(i)
		err := c.errno(i)
		switch {
		case c.overlay[i]:
			return ErrOverlay
		case o.then == search:
			return c.execError()
		case step == StepNamespaces, o.nr == unix.SYS_FSOPEN, o.nr == unix.SYS_OPEN_TREE && (err == unix.EPERM):
			if c.plan.Identity.Namespace() {
				return &NamespaceError{Op: o.what(), Err: err}
			}
		}
		return &SetupError{Step: step, What: o.what(), Err: err}
	}
	return c.execError()
}

// left tells what was planned and not required, and could not be had.
func (c *compiled) left(note func(string)) {
	for i, o := range c.ops[:c.stepStart(StepExecute)] {
		if o.then == tolerate && c.errno(i) != 0 {
			note(fmt.Sprintf("left out: cannot %s: %v", o.what(), c.errno(i)))
		}
	}
}
