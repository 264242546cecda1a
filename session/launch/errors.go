package launch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrOverlay means that the kernel refused the overlay over the tree's /etc,
// because something is mounted below that or the tree is itself on stacked
// overlays. The caller must plan again with Request.NoOverlay.
var ErrOverlay = errors.New("the kernel refuses an overlay over the chroot's /etc")

// SetupError reports which step of a launch failed.
type SetupError struct {
	Step Step
	What string // the operation, as in "cannot What: Err"
	Err  error
}

func (e *SetupError) Error() string { return fmt.Sprintf("cannot %s: %v", e.What, e.Err) }
func (e *SetupError) Unwrap() error { return e.Err }

// Step is a part of a launch.
type Step uint8

// The steps, in the order in which they begin.
const (
	StepRecordHome Step = iota // record whose home a private home is
	StepHelper                 // start the helper process
	StepRelay                  // make the sockets of relays
	StepGrant                  // grant the program's user access to the desktop
	StepHome                   // make the private home
	StepMountPoint             // make mount points in the home and in the tree
	StepNamespaces             // make the namespaces
	StepMount                  // mount everything and enter the tree
	StepOverlay                // mount the overlay
	StepListen                 // listen for relays, watch for the end
	StepProcess                // restore what the program inherits, set its ids
	StepChdir                  // change to the working directory
	StepExecute                // execute the program
)

// NamespaceError reports that this host does not let the caller make a user
// namespace in which a launch is possible.
type NamespaceError struct {
	Op  string
	Err error
}

func (e *NamespaceError) Error() string {
	return fmt.Sprintf("cannot make a user namespace: %s: %v", e.Op, e.Err)
}
func (e *NamespaceError) Unwrap() error { return e.Err }

// explain returns the error that ended the program.
func (c *compiled) explain() error {
	i := c.failed()
	if i == len(c.ops) {
		return c.execError()
	}
	o, step, err := c.ops[i], c.stepOf(i), c.errno(i)
	switch {
	case step == StepOverlay:
		return ErrOverlay
	case o.rule == search:
		return c.execError()
	case step == StepNamespaces, o.nr == unix.SYS_FSOPEN, o.nr == unix.SYS_OPEN_TREE && err == unix.EPERM:
		if c.plan.Identity.HasUserNamespace() {
			return &NamespaceError{Op: o.what(), Err: err}
		}
	}
	return &SetupError{Step: step, What: o.what(), Err: err}
}

// noteOmissions calls note for each optional operation that failed, except the setting
// of a file system, which only makes it faster.
func (c *compiled) noteOmissions(note func(string)) {
	for i, o := range c.ops[:c.firstOf(StepExecute)] {
		exists := (o.nr == unix.SYS_MKDIRAT || o.nr == unix.SYS_OPENAT) && c.errno(i) == unix.EEXIST
		if o.rule == maySkip && c.errno(i) != 0 && !exists && o.nr != unix.SYS_FSCONFIG {
			note(fmt.Sprintf("left out: cannot %s: %v", o.what(), c.errno(i)))
		}
	}
}
