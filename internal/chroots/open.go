package chroots

import (
	"errors"
	"strings"

	"chrun/desktop/export"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// OpenNamed opens the chroot of that name for an export by c, with the home that
// launches use. The caller closes it.
// Errors are *export.Error if name is a directory, *config.UnknownError,
// *config.Error and *cli.ChrootError.
func OpenNamed(c *session.Caller, conf *config.Config, name string) (*rootfs.Root, error) {
	if strings.Contains(name, "/") {
		return nil, &export.Error{Verb: "export", What: session.Quote(name), Why: "menu entries need a name for the chroot", Next: "chrunctl add NAME " + session.Quote(name)}
	}
	ch, err := conf.Chroot(name)
	if err != nil {
		return nil, err
	}
	root, err := rootfs.Open(ch.Path)
	if err != nil {
		return nil, &cli.ChrootError{Verb: "use", Dir: ch.Path, Err: err}
	}
	useHome(c, ch, root)
	return root, nil
}

// Exported is a chroot whose exports are to be brought up to date.
type Exported struct {
	Root      *rootfs.Root // nil if the chroot no longer exists. The caller closes it.
	Forgotten bool         // the name is no longer configured
	Note      string       // why the exports are removed, or ""
}

// OpenExported opens a chroot to bring its exports up to date. It is not an error
// if the directory no longer exists or, for a chroot with exports, if the name is
// no longer configured.
func OpenExported(c *session.Caller, conf *config.Config, name string, hasExports bool) (*Exported, error) {
	root, err := OpenNamed(c, conf, name)
	var (
		unknown *config.UnknownError
		gone    *cli.ChrootError
	)
	switch {
	case err == nil:
		return &Exported{Root: root}, nil
	case errors.As(err, &unknown) && hasExports:
		return &Exported{Forgotten: true, Note: name + " is no longer configured: removing its exports"}, nil
	case errors.As(err, &gone):
		return &Exported{Note: err.Error() + ": removing its exports"}, nil
	}
	return nil, err
}
