// Package suggest adds to an error what to type next: a missing program, a
// mistyped word, a switch of the kernel that is off. It only looks around, and
// only after a launch has failed.
package suggest

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// Context is the launch that failed.
type Context struct {
	Flags *cli.Flags
	Args  []string // the words of the command line, without argv[0]
	Sudo  bool     // the launch needs root
	Subid bool     // the chroot belongs to the caller's subordinate IDs

	// What is known of the chroot, if the launch came that far.
	Config *config.Config
	Root   *rootfs.Root
	Search string // PATH inside

	HostSearch string // PATH of the host
}

// Hints says what to type after err, one line each.
func Hints(c *Context, err error) []string {
	var (
		space   *launch.NamespaceError
		setup   *launch.SetupError
		program *launch.ExecError
		none    *config.NoChoiceError
		unknown *config.UnknownError
		flag    *cli.UnknownFlagError
		feature *desktop.UnknownFeatureError
	)
	switch {
	case errors.As(err, &flag) && flagHints(flag) != nil && slices.Equal(cli.Hints(err), []string{"chrun --help"}):
		return flagHints(flag)
	case errors.As(err, &feature) && FeatureHint(feature.Name) != "":
		return []string{FeatureHint(feature.Name)}
	case (errors.As(err, &space) || errors.As(err, &setup)) && InChroot():
		return []string{"this is a chroot already, in which the kernel allows no other: leave it, and run chrun on the host"}
	case errors.As(err, &space):
		hints := namespaceHints(space)
		if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.E2BIG) {
			hints = append(hints, "or as root, who needs no user namespaces: "+session.Quote(append([]string{"sudo", "chrun"}, c.Args...)...))
		}
		return hints
	case errors.As(err, &program):
		return c.programHints(program)
	case errors.As(err, &setup) && errors.Is(err, unix.ENOSYS):
		return []string{kernelHint(kernelRelease())}
	case errors.As(err, &setup) && setup.Step == launch.StepHome:
		return []string{"name another home: --home=DIR, or --home=temporary"}
	case errors.As(err, &setup) && setup.Step == launch.StepChdir:
		return []string{"name a directory that is in the chroot: -C DIR"}
	case errors.As(err, &unknown) && unknown.Hint() == "":
		return []string{"chrunctl add " + session.Quote(unknown.Name) + " DIR, or name the directory: -c DIR"}
	case errors.As(err, &none) && len(none.Known) == 0:
		return c.noChrootHints()
	}
	return cli.Hints(err)
}

// chrun is the start of a command line that makes the same launch.
func (c *Context) chrun() []string {
	words := []string{"chrun"}
	if c.Sudo {
		words = []string{"sudo", "chrun"}
	}
	return append(words, c.Flags.Words()...)
}

// rootChrun is the start of a command line that makes a launch as root inside.
func (c *Context) rootChrun() []string {
	if c.Subid {
		return []string{"chrun"}
	}
	return []string{"sudo", "chrun"}
}

// programHints explains a COMMAND that cannot be executed.
func (c *Context) programHints(e *launch.ExecError) []string {
	line := func(words ...string) string { return session.Quote(append(slices.Clone(c.chrun()), words...)...) }
	if len(c.Flags.Command) == 0 {
		return []string{"that is the account's shell; name a program: " + line("/bin/sh")}
	}
	if c.Root != nil && (e.Reason == launch.ReasonNotFound || e.Reason == launch.ReasonIsDirectory) {
		if lines := c.newWord().suggestions(); lines != nil {
			return lines
		}
	}
	switch e.Reason {
	case launch.ReasonNotFound:
		return []string{"look for it inside: " + line("sh", "-c", "command -v "+session.Quote(c.Flags.Command[0]))}
	case launch.ReasonNoexec:
		return []string{"the chroot is on a file system mounted noexec: sudo mount -o remount,exec \"$(findmnt -no TARGET -T " + session.Quote(string(e.Tree)) + ")\""}
	case launch.ReasonWrongMachine:
		return []string{"install an emulator on the host (on Debian: qemu-user-binfmt), or use a chroot made for this machine; uname -m prints what it is"}
	case launch.ReasonNoInterpreter:
		return []string{"install that interpreter in the chroot, as root: " + session.Quote(append(slices.Concat(c.rootChrun(), c.Flags.Words("user", "identity")), "-u", "root")...)}
	case launch.ReasonNotExecutable:
		return []string{"is it executable? " + line("ls", "-l", string(e.Path))}
	}
	return nil
}
