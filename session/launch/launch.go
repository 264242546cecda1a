// Package launch carries out a plan, and is the only package that changes
// anything for a launch. It prepares homes, compiles the plan into a flat program
// of system calls, runs that in a child process (or in place, as root), waits for
// the program as a shell waits for a job, and explains failures.
package launch

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// Run carries out the plan and returns the program's wait status. When the
// program has started, it calls note for each optional part that failed. Plans
// of kind AsRoot replace this process by the program, so Run returns only
// errors. res may be nil. Where root mounts, the calling goroutine must be locked to
// its thread. No goroutine of this process may end while it is locked to one, because the
// program ends with the thread that has started it (PR_SET_PDEATHSIG).
//
// Errors: ErrOverlay, *SetupError, *ExecError, *NamespaceError.
func Run(plan *session.Plan, root *rootfs.Root, res *Resources, note func(string)) (unix.WaitStatus, error) {
	if res == nil {
		res = &Resources{Tree: -1}
	}
	unlock := lockTree(plan, root)
	defer unlock()
	if err := prepare(plan, root); err != nil {
		return 0, err
	}
	closeOriginals, err := res.openOriginals(plan, root)
	defer closeOriginals()
	if err != nil {
		return 0, err
	}
	if plan.Identity.Kind != session.AsRoot {
		defer asCaller(plan, func() error { removePlaceholders(plan, root); return nil })
		defer removeTreeFiles(plan, root, note)
	}
	return run(plan, root, res, note, unlock)
}

// run starts the program and waits for it. It calls started in between.
func run(plan *session.Plan, root *rootfs.Root, res *Resources, note func(string), started func()) (unix.WaitStatus, error) {
	l, err := reserveLayers()
	if err != nil {
		return 0, err
	}
	defer l.close()
	mapper := &idMapper{}
	if plan.Identity.NeedsNewuidmap() {
		if mapper, err = newIDMapper(); err != nil {
			return 0, err
		}
		defer mapper.close()
	}
	tree, closeTree, err := takeTree(plan, root, res)
	if err != nil {
		return 0, err
	}
	defer closeTree()
	c := compile(plan, l, mapper.mapped, res, tree)
	if plan.Identity.Kind == session.AsRoot {
		c.runInPlace(c.firstOf(StepExecute), func() { c.noteOmissions(note) })
		return 0, c.explain()
	}
	signals, err := watchSignals()
	if err != nil {
		return 0, err
	}
	pid, err := c.startChild(mapper)
	started()
	if err != nil {
		return 0, err
	}
	if c.failed() < 0 {
		c.noteOmissions(note)
	}
	c.keep = nil // chrun runs as long as the program, but no longer needs these
	if c.failed() >= 0 {
		follow(pid, signals, &Resources{}) // its sockets do not listen, and another plan may be tried
		return 0, c.explain()
	}
	status := follow(pid, signals, res)
	runtime.KeepAlive(c)
	return status, nil
}

// startChild starts the program in a child and waits until that has executed a
// file or ended.
func (c *compiled) startChild(mapper *idMapper) (pid int, err error) {
	var flags uint64
	if c.plan.Identity.HasUserNamespace() {
		flags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
		if c.plan.Network {
			flags |= unix.CLONE_NEWNET
		}
	}
	if c.plan.Identity.NeedsNewuidmap() {
		pid, err = mapper.start(c.program, flags, &c.plan.Identity)
	} else {
		pid, err = c.startAndWait(flags)
	}
	if m := (*mapperError)(nil); err != nil && !errors.As(err, &m) {
		err = &NamespaceError{Op: "clone", Err: err}
	}
	return pid, err
}
