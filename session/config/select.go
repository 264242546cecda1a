package config

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"chrun/session/rootfs"
)

// UnknownError reports that no chroot has the name.
type UnknownError struct {
	Name  string
	From  string   // where the name comes from: "$CHRUN_CHROOT", a file, or "" for the flag
	Known []string // the configured names
	IsDir bool     // whether ./Name is a directory
}

func (e *UnknownError) Error() string {
	from := ""
	if e.From != "" {
		from = " from " + e.From
	}
	return fmt.Sprintf("cannot find the chroot %q%s: %s", e.Name, from, describeNames(e.Known))
}

// Hint returns what to type instead, or "".
func (e *UnknownError) Hint() string {
	if e.IsDir {
		return "for the directory: -c ./" + e.Name
	}
	return ""
}

// NoChoiceError reports that no chroot was named, and that there is neither a
// default nor exactly one chroot.
type NoChoiceError struct{ Known []string }

func (e *NoChoiceError) Error() string { return "cannot choose a chroot: " + describeNames(e.Known) }

// Hint returns what to type instead.
func (e *NoChoiceError) Hint() string {
	if len(e.Known) == 0 {
		return "name its directory: -c DIR"
	}
	return "name one: -c " + e.Known[0]
}

func describeNames(names []string) string {
	switch {
	case len(names) == 0:
		return "no chroot is configured"
	case len(names) == 1:
		return "the only configured chroot is " + names[0]
	case len(names) > 20:
		return fmt.Sprintf("configured chroots are %s and %d more", strings.Join(names[:20], ", "), len(names)-20)
	}
	return "configured chroots are " + strings.Join(names, ", ")
}

// Select finds the chroot that flag (-c) names, else env ($CHRUN_CHROOT), else
// the default, else the only one that is configured. A NAME must be configured.
// A DIR (which contains '/', is "." or "..", or begins with '~') need not be: in
// that case only Path is set, with symlinks resolved if it exists. Select does
// not check whether Path is a chroot. Errors are *UnknownError, *NoChoiceError
// and those of Chroot.
func (c *Config) Select(flag, env string) (*Chroot, error) {
	switch {
	case flag != "":
		return c.resolve(flag, "")
	case env != "":
		return c.resolve(env, "$CHRUN_CHROOT")
	case c.Default != "":
		return c.resolve(c.Default, c.DefaultFrom)
	}
	names, err := c.Names()
	if err == nil && len(names) == 1 {
		return c.Chroot(names[0])
	} else if err == nil {
		err = &NoChoiceError{Known: names}
	}
	return nil, err
}

func (c *Config) resolve(s, from string) (*Chroot, error) {
	if !strings.Contains(s, "/") && s != "." && s != ".." && s[0] != '~' {
		ch, err := c.Chroot(s)
		if u, ok := err.(*UnknownError); ok {
			u.From = from
		}
		return ch, err
	}
	dir, err := c.src.expandHome(s)
	if err == nil && !path.IsAbs(dir) && c.src.Cwd == "" {
		err = errors.New("the path of the working directory is unknown")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use chroot %q: %w", s, err)
	}
	if !path.IsAbs(dir) {
		// Not path.Join, which would remove "link/.." before the symlink is
		// resolved.
		dir = c.src.Cwd + "/" + dir
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	p := rootfs.HostPath(path.Clean(dir))
	if ch, err := c.findByPath(p); ch != nil || err != nil {
		return ch, err
	}
	return &Chroot{Path: p}, nil
}

func (c *Config) unknownName(name string) error {
	list, _ := c.Names() // the unknown name is the more useful error
	e := &UnknownError{Name: name, Known: list}
	if c.src.Cwd != "" && !strings.Contains(name, "/") {
		st, err := os.Stat(path.Join(c.src.Cwd, name))
		e.IsDir = err == nil && st.IsDir()
	}
	return e
}
