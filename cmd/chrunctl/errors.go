package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// usageError is a mistake on the command line.
type usageError struct {
	command string // that has the help
	err     error
}

func (e *usageError) Error() string { return "cannot read the command line: " + e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string {
	if hints := cli.Hints(e.err); len(hints) > 0 {
		return hints[0]
	}
	return e.command + " --help"
}

// printError prints err with its hints and returns the exit status. Joined errors
// are printed one by one.
func (c *command) printError(err error) int {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		status := 0
		for _, e := range joined.Unwrap() {
			status = max(status, c.printError(e))
		}
		return status
	}
	fmt.Fprint(c.err, cli.ErrorText("chrunctl", err, c.hints(err)))
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		return 2
	}
	return 1
}

// hints says what to type next.
func (c *command) hints(err error) []string {
	var (
		exists  *config.ExistsError
		unknown *config.UnknownError
		write   *config.WriteError
		edit    *config.EditError
	)
	switch {
	case errors.As(err, &exists) && exists.Existing.Name == exists.Name:
		return []string{"choose another name, or first: chrunctl forget " + exists.Name}
	case errors.As(err, &exists):
		return []string{"chrun -c " + exists.Existing.Name}
	case errors.As(err, &unknown) && len(unknown.Known) == 0:
		return []string{"chrunctl add NAME DIR"}
	case errors.As(err, &unknown):
		return []string{"chrunctl list"}
	case errors.As(err, &write) && errors.Is(err, fs.ErrPermission) && c.isSystem(write.File) && c.caller.UID != 0:
		return []string{"sudo chrunctl " + session.Quote(c.args...)}
	case errors.As(err, &edit) && edit.Op == config.Unset && edit.Key == "path":
		return []string{"for the whole chroot: chrunctl forget NAME"}
	}
	return cli.Hints(err)
}

// isSystem reports whether a file is part of the configuration for all users.
func (c *command) isSystem(file string) bool {
	return rootfs.HostPath(path.Clean(file)).IsBelow(rootfs.HostPath(c.src.System))
}
