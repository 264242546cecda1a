// Package config reads what a person has written down about chroots: named
// ones, their settings, and which is the default. Configuration is TOML, in
// /etc/chrun and in $XDG_CONFIG_HOME/chrun: config.toml, and beside it one file
// a chroot, chroots/NAME.toml. It never writes, and it does not look into a
// chroot: whether a path is one is for package rootfs to say.
package config

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// Source says where configuration is read, and for whom.
type Source struct {
	System string // /etc/chrun
	User   string // $XDG_CONFIG_HOME/chrun; "" if there is none. It comes first
	Cwd    string // what a relative DIR is below; "" if it cannot be named

	// Root reads for the superuser: what anybody else could have written is
	// left out, and Warn is told why.
	Root bool

	Home    func() string           // the caller's home, for a leading ~/
	Feature func(name string) error // checks a name in allow and deny; nil accepts all
	Warn    func(error)             // is told what is left out; may be nil
}

// UserDir is the directory of the caller's own configuration (XDG Base
// Directory 0.8), or "" if it cannot be told.
func UserDir(xdgConfigHome, home string) string { return baseDir(xdgConfigHome, home, ".config") }

// DataDir is the directory of the caller's homes; see HomeFor.
func DataDir(xdgDataHome, home string) string { return baseDir(xdgDataHome, home, ".local/share") }

// StateDir is the directory where notes are kept; see HomeFor.
func StateDir(xdgStateHome, home string) string { return baseDir(xdgStateHome, home, ".local/state") }

func baseDir(named, home, usual string) string {
	switch {
	case path.IsAbs(named):
		return path.Join(named, "chrun")
	case path.IsAbs(home):
		return path.Join(home, usual, "chrun")
	}
	return ""
}

// Config is the configuration. The file of a chroot is read when it is asked
// for: a launch pays for the one that it uses.
type Config struct {
	Default     string // the NAME that is used when none is given; may be ""
	DefaultFrom string // the file that names it

	src  Source
	dirs []string // those that exist, first the caller's
}

// Chroot is a chroot with its settings.
type Chroot struct {
	Name string          // "" if it is not registered
	Path rootfs.HostPath // as written; symlinks are not resolved
	Settings
	Apps map[string]Settings // by the base name of COMMAND; see For
	File string              // where it is written

	src      *Source  // of File
	data     []byte   // the content of File
	commands []string // whose sections For has applied
}

// Settings are what a file says of a chroot, or of one program in it: what is
// "" or nil was not said.
type Settings struct {
	User        string   // login name or number inside
	Home        string   // auto, private, host, temporary or an absolute directory
	Personality string   // linux32 or linux64
	Identity    string   // auto, match, remap, subid, idmap or grant
	Map         string   // subid: the number inside of the account that is the caller
	Bind        []string // for ParseBind; sources are absolute
	Env         map[string]string
	Allow       []string
	Deny        []string
}

// Label is how the chroot is shown: its NAME, else the base name of its path.
func (c *Chroot) Label() string {
	if c.Name != "" {
		return c.Name
	}
	return path.Base(string(c.Path))
}

// ID is a file name that no other chroot has: its NAME, else its escaped path.
func (c *Chroot) ID() string {
	if c.Name != "" {
		return c.Name
	}
	return EscapePath(c.Path)
}

const configFile = "config.toml"

// Load reads config.toml. A directory that does not exist costs one failed
// open and is never asked again. Errors are *Error.
func Load(src Source) (*Config, error) {
	c := &Config{src: src}
	for _, dir := range []string{src.User, src.System} {
		if dir == "" {
			continue
		}
		if ok, err := src.usable(dir); err != nil {
			return nil, err
		} else if ok {
			c.dirs = append(c.dirs, dir)
		}
	}
	for _, dir := range c.dirs {
		file := path.Join(dir, configFile)
		data, err := src.read(file)
		if errors.Is(err, fs.ErrNotExist) || src.leftOut(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		var one Config
		if err := decode(&src, file, data, configKeys, &one); err != nil {
			return nil, err
		}
		if c.Default == "" && one.Default != "" {
			c.Default, c.DefaultFrom = one.Default, file
		}
	}
	return c, nil
}

// usable says whether dir is there and, for root, to be trusted.
func (s *Source) usable(dir string) (bool, error) {
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, &Error{File: dir, Err: errors.Unwrap(err)}
	}
	defer f.Close()
	if s.Root && s.leftOut(trusted(f, dir)) {
		return false, nil
	}
	return true, nil
}

// leftOut says whether err only means that root does not trust a file, and
// tells Warn.
func (s *Source) leftOut(err error) bool {
	var u *UntrustedError
	if !errors.As(err, &u) {
		return false
	}
	if s.Warn != nil {
		s.Warn(err)
	}
	return true
}

// Chroot reads the chroot that is called name. Errors are *UnknownError,
// *Error, or *UntrustedError if only files that root does not trust know it.
func (c *Config) Chroot(name string) (*Chroot, error) {
	file, data, err := c.find(name)
	if err != nil {
		return nil, err
	}
	return c.src.chroot(name, file, data)
}

// find finds and reads the file of the chroot that is called name.
func (c *Config) find(name string) (file string, data []byte, err error) {
	var dirs []string
	if ValidName(name) {
		dirs = c.dirs
	}
	var left error
	for _, dir := range dirs {
		file := fileOf(dir, name)
		data, err := c.src.read(file)
		var u *UntrustedError
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.As(err, &u):
			left = err
			continue
		case err == nil:
			c.src.leftOut(left)
		}
		return file, data, err
	}
	if left != nil {
		return "", nil, left
	}
	return "", nil, c.unknown(name)
}

// fileOf is the file of a chroot in a directory of configuration.
func fileOf(dir, name string) string { return path.Join(dir, "chroots", name+".toml") }

// chroot reads the content of file.
func (s *Source) chroot(name, file string, data []byte) (*Chroot, error) {
	ch := &Chroot{Name: name, File: file, src: s, data: data}
	if err := decode(s, file, data, chrootKeys, ch); err != nil {
		return nil, err
	}
	if ch.Path == "" {
		return nil, &Error{File: file, Line: 1, Err: errors.New(`"path" is missing`), Allowed: keyNames(chrootKeys)}
	}
	return ch, nil
}

// Names lists the names of all chroots in order, without reading their files.
// With an error (joined *Error) it lists those that it found.
func (c *Config) Names() ([]string, error) {
	var list []string
	var errs []error
	for _, dir := range c.dirs {
		dir := path.Join(dir, "chroots")
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, &Error{File: dir, Err: errors.Unwrap(err)})
		}
		for _, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), ".toml")
			// A leading dot is the lock or swap file of an editor.
			if !ok || strings.HasPrefix(name, ".") {
				continue
			}
			if !ValidName(name) {
				errs = append(errs, &Error{File: path.Join(dir, e.Name()), Err: errBadName(name)})
				continue
			}
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), errors.Join(errs...)
}

// All reads all chroots, in the order of their names. With an error (joined:
// one for each file that cannot be read) it lists the others.
func (c *Config) All() ([]*Chroot, error) {
	list, err := c.Names()
	errs := []error{err}
	var all []*Chroot
	for _, name := range list {
		ch, err := c.Chroot(name)
		var unknown *UnknownError // a dangling symlink, or removed meanwhile
		if err == nil {
			all = append(all, ch)
		} else if !errors.As(err, &unknown) && !c.src.leftOut(err) {
			errs = append(errs, err)
		}
	}
	return all, errors.Join(errs...)
}

// ByPath finds the registered chroot that is the directory dir (the same
// device and inode), or nil. A file that cannot be read is an error only if no
// other file has dir: it might be the one, with something denied in it.
func (c *Config) ByPath(dir rootfs.HostPath) (*Chroot, error) {
	all, err := c.All()
	for _, ch := range all {
		if path.Clean(string(ch.Path)) == path.Clean(string(dir)) {
			return ch, nil
		}
	}
	if len(all) > 0 {
		if want, err := os.Stat(string(dir)); err == nil {
			for _, ch := range all {
				if st, err := os.Stat(string(ch.Path)); err == nil && os.SameFile(st, want) {
					return ch, nil
				}
			}
		}
	}
	return nil, err
}
