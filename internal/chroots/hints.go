package chroots

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"chrun/internal/cli"
	"chrun/internal/trees"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// Call is a command line of chrunctl, for hints.
type Call struct {
	Args   []string // without argv[0]
	UID    int
	System string // directory of the configuration for all users
}

// Hints says what to type after err, one line each.
func (c *Call) Hints(err error) []string {
	var (
		exists  *config.ExistsError
		unknown *config.UnknownError
		write   *config.WriteError
		edit    *config.EditError
		owner   *trees.OwnerError
	)
	switch {
	case errors.As(err, &exists) && exists.Existing.Name == exists.Name:
		return []string{"choose another name, or first: chrunctl forget " + exists.Name}
	case errors.As(err, &exists):
		return []string{"chrun -c " + exists.Existing.Name}
	case errors.As(err, &unknown) && unknown.IsDir && len(c.Args) > 0 && c.Args[0] == "doctor":
		return []string{"for the directory: chrunctl doctor " + session.Quote("./"+unknown.Name)}
	case errors.As(err, &unknown) && len(unknown.Known) == 0:
		return []string{"chrunctl add NAME DIR"}
	case errors.As(err, &unknown):
		return []string{"chrunctl list"}
	case errors.As(err, &write) && errors.Is(err, fs.ErrPermission) && c.isSystem(write.File) && c.UID != 0:
		return []string{"sudo chrunctl " + session.Quote(c.Args...)}
	case errors.As(err, &owner) && owner.Name != "":
		return []string{fmt.Sprintf("sudo chrunctl add %s %s && sudo chrunctl remove --tree %[1]s && chrunctl forget %[1]s", owner.Name, session.Quote(owner.Tree))}
	case errors.As(err, &owner):
		return []string{"sudo chrunctl " + session.Quote(c.Args...)}
	case errors.As(err, &edit) && edit.Op == config.Unset && edit.Key == "path":
		return []string{"for the whole chroot: chrunctl forget NAME"}
	}
	return cli.Hints(err)
}

// isSystem reports whether a file is part of the configuration for all users.
func (c *Call) isSystem(file string) bool {
	return rootfs.HostPath(path.Clean(file)).IsBelow(rootfs.HostPath(c.System))
}
