package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// complain prints err with its hints and returns the exit status. It is the
// one printer of errors.
func (c *command) complain(err error) int {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		status := 0
		for _, e := range joined.Unwrap() {
			status = max(status, c.complain(e))
		}
		return status
	}
	text := err.Error()
	if !strings.HasPrefix(text, "cannot ") {
		text = "cannot finish: " + text
	}
	fmt.Fprintln(c.err, "chrunctl:", text)
	if h := c.hint(err); h != "" {
		fmt.Fprintln(c.err, "chrunctl: hint:", h)
	}
	var usage *usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// hint names what to type next.
func (c *command) hint(err error) string {
	var (
		usage   *usageError
		tree    *treeError
		known   *config.ExistsError
		unknown *config.UnknownError
		write   *config.WriteError
		edit    *config.EditError
		trusted *config.UntrustedError
		menu    *menuError
		gone    *notExported
	)
	switch {
	case errors.As(err, &gone):
		return "what is: chrunctl apps " + gone.name + "; a command of ~/.local/bin: --bin"
	case errors.As(err, &menu):
		return menu.hint
	case errors.As(err, &usage):
		return usage.command + " --help"
	case errors.As(err, &tree):
		return treeHint(tree)
	case errors.As(err, &known) && known.Existing.Name == known.Name:
		return "take another name, or first: chrunctl forget " + known.Name
	case errors.As(err, &known):
		return "chrun -c " + known.Existing.Name
	case errors.As(err, &unknown) && len(unknown.Known) == 0:
		return "chrunctl add NAME DIR"
	case errors.As(err, &unknown):
		return "chrunctl list"
	case errors.As(err, &write) && errors.Is(err, fs.ErrPermission) && c.isSystem(write.File) && !c.root:
		return "sudo chrunctl " + session.Quote(c.typed...)
	case errors.As(err, &edit) && edit.Op == config.Unset && edit.Key == "path":
		return "for the whole chroot: chrunctl forget NAME"
	case errors.As(err, new(*rootsError)):
		return "sudo chrunctl gc"
	case errors.As(err, &trusted):
		return fmt.Sprintf("sudo chown root:root %s && sudo chmod go-w %[1]s", session.Quote(trusted.At))
	}
	return ""
}

func (c *command) isSystem(file string) bool {
	return rootfs.HostPath(path.Clean(file)).IsBelow(rootfs.HostPath(c.src.System))
}

func treeHint(e *treeError) string {
	var not *rootfs.NotChrootError
	switch dir := session.Quote(e.dir); {
	case errors.As(e.err, &not):
		return "name the directory that holds usr, etc and bin of the other system"
	case errors.Is(e.err, fs.ErrNotExist):
		return "is it mounted? ls " + dir
	case errors.Is(e.err, fs.ErrPermission):
		return "you need search permission on every directory above it: namei -l " + dir
	}
	return ""
}
