// Package config reads and edits the configuration: named chroots, their
// settings, and which one is the default. The configuration is TOML in
// /etc/chrun and in $XDG_CONFIG_HOME/chrun: config.toml, and one file for each
// chroot, chroots/NAME.toml. Edits keep comments and layout.
//
// The package also keeps two kinds of records in $XDG_STATE_HOME/chrun: which
// private home belongs to which chroot, and which messages the caller has seen.
// It does not check whether a path is a chroot; that is the job of package rootfs.
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

// Source describes where the configuration is, and who reads it.
type Source struct {
	System string // /etc/chrun
	User   string // $XDG_CONFIG_HOME/chrun, which takes precedence; "" for none
	Cwd    string // the directory for a relative DIR; "" if its path is unknown

	// Root reads as the superuser: files and directories that anybody else
	// could have written are skipped with a warning.
	Root bool

	Home    func() string           // the caller's home, for a leading ~/
	Feature func(name string) error // checks a name in allow and deny; nil accepts all
	Warn    func(error)             // receives the reason for each skipped file; may be nil
}

// UserConfigDir returns the directory of the caller's own configuration (XDG Base
// Directory 0.8), or "" if neither argument is an absolute path.
func UserConfigDir(xdgConfigHome, home string) string { return baseDir(xdgConfigHome, home, ".config") }

// UserDataDir returns the directory of the caller's data, such as private homes; or
// "" if neither argument is an absolute path.
func UserDataDir(xdgDataHome, home string) string { return baseDir(xdgDataHome, home, ".local/share") }

// UserStateDir returns the directory of the caller's records; or "" if neither
// argument is an absolute path.
func UserStateDir(xdgStateHome, home string) string {
	return baseDir(xdgStateHome, home, ".local/state")
}

func baseDir(xdgDir, home, fallback string) string {
	switch {
	case path.IsAbs(xdgDir):
		return path.Join(xdgDir, "chrun")
	case path.IsAbs(home):
		return path.Join(home, fallback, "chrun")
	}
	return ""
}

// Config is the configuration. Files of chroots are read on demand, so that a
// launch pays only for the one that it uses.
type Config struct {
	Default     string // the NAME that is used when none is given; may be ""
	DefaultFrom string // the file that sets it

	src  Source
	dirs []string // the directories that exist, the caller's first
}

// Chroot is a chroot with its settings.
type Chroot struct {
	Name string          // "" if it is not configured
	Path rootfs.HostPath // as written; symlinks are not resolved
	Settings
	Sync string              // "off": the menu does not follow the chroot by itself
	Apps map[string]Settings // by the base name of COMMAND; see For
	File string              // the file that configures it; "" for none

	src      *Source  // of File
	data     []byte   // the content of File
	commands []string // whose sections For has applied
}

// Settings are the settings of a chroot, or of one program in it. "" and nil
// mean that the file does not set them.
type Settings struct {
	User        string   // login name or number inside
	Home        string   // auto, private, host, temporary or an absolute directory
	Personality string   // linux32 or linux64
	Identity    string   // auto, match, remap, subid, idmap or grant
	Map         string   // subid: the UID inside that the caller is mapped to
	Bind        []string // in the form of ParseBind; sources are absolute
	Env         map[string]string
	Allow       []string
	Deny        []string
}

// Label returns the name to display: the NAME, else the base name of the path.
func (c *Chroot) Label() string {
	if c.Name != "" {
		return c.Name
	}
	return path.Base(string(c.Path))
}

// ID returns a file name that is unique to the chroot: its NAME, else its
// escaped path.
func (c *Chroot) ID() string {
	if c.Name != "" {
		return c.Name
	}
	return escapePath(c.Path)
}

const configFile = "config.toml"

// Load reads config.toml. Errors are *Error.
func Load(src Source) (*Config, error) {
	c := &Config{src: src}
	for _, dir := range []string{src.User, src.System} {
		if dir == "" {
			continue
		}
		if ok, err := src.canUseDir(dir); err != nil {
			return nil, err
		} else if ok {
			c.dirs = append(c.dirs, dir)
		}
	}
	for _, dir := range c.dirs {
		file := path.Join(dir, configFile)
		data, err := src.readFile(file)
		if errors.Is(err, fs.ErrNotExist) || src.skipUntrusted(err) {
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

// canUseDir reports whether dir exists and, for root, can be trusted.
func (s *Source) canUseDir(dir string) (bool, error) {
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, &Error{File: dir, Err: errors.Unwrap(err)}
	}
	defer f.Close()
	if s.Root && s.skipUntrusted(checkTrust(f, dir)) {
		return false, nil
	}
	return true, nil
}

// skipUntrusted reports whether err means that root does not trust a file. If
// so, it warns.
func (s *Source) skipUntrusted(err error) bool {
	var u *UntrustedError
	if !errors.As(err, &u) {
		return false
	}
	if s.Warn != nil {
		s.Warn(err)
	}
	return true
}

// Chroot reads the chroot called name. Errors are *UnknownError, *Error, or
// *UntrustedError if root trusts none of its files.
func (c *Config) Chroot(name string) (*Chroot, error) {
	file, data, err := c.readChrootFile(name)
	if err != nil {
		return nil, err
	}
	return c.src.parseChroot(name, file, data)
}

// readChrootFile finds and reads the file of the chroot called name.
func (c *Config) readChrootFile(name string) (file string, data []byte, err error) {
	var dirs []string
	if ValidName(name) {
		dirs = c.dirs
	}
	var untrusted error
	for _, dir := range dirs {
		file := chrootFile(dir, name)
		data, err := c.src.readFile(file)
		var u *UntrustedError
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.As(err, &u):
			untrusted = err
			continue
		case err == nil:
			c.src.skipUntrusted(untrusted)
		}
		return file, data, err
	}
	if untrusted != nil {
		return "", nil, untrusted
	}
	return "", nil, c.unknownName(name)
}

// chrootFile returns the file of a chroot in a configuration directory.
func chrootFile(dir, name string) string { return path.Join(dir, "chroots", name+".toml") }

// parseChroot parses the content of file.
func (s *Source) parseChroot(name, file string, data []byte) (*Chroot, error) {
	ch := &Chroot{Name: name, File: file, src: s, data: data}
	if err := decode(s, file, data, chrootKeys(), ch); err != nil {
		return nil, err
	}
	if ch.Path == "" {
		return nil, &Error{File: file, Line: 1, Err: errors.New(`"path" is missing`), Allowed: keyNames(chrootKeys())}
	}
	return ch, nil
}

// Names lists the names of all chroots in alphabetical order, without reading
// their files. With an error (joined *Error) it lists those that it found.
func (c *Config) Names() ([]string, error) {
	var list []string
	var errs []error
	for _, dir := range c.dirs {
		dir := path.Join(dir, "chroots")
		entries, err := rootfs.ListHost(rootfs.HostPath(dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, &Error{File: dir, Err: errors.Unwrap(err)})
		}
		for _, e := range entries {
			name, ok := strings.CutSuffix(e.Name(), ".toml")
			// A leading dot: the lock file or swap file of an editor.
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

// All reads all chroots, in the order of their names. If some files cannot be
// read, it returns the other chroots and the joined errors.
func (c *Config) All() ([]*Chroot, error) {
	list, err := c.Names()
	errs := []error{err}
	var all []*Chroot
	for _, name := range list {
		ch, err := c.Chroot(name)
		var unknown *UnknownError // a dangling symlink, or the file was just removed
		if err == nil {
			all = append(all, ch)
		} else if !errors.As(err, &unknown) && !c.src.skipUntrusted(err) {
			errs = append(errs, err)
		}
	}
	return all, errors.Join(errs...)
}

// findByPath finds the configured chroot whose path is the directory dir (the same
// device and inode), or nil. A file that cannot be read is an error only if no
// other file has dir, because it may be the one, and deny something.
func (c *Config) findByPath(dir rootfs.HostPath) (*Chroot, error) {
	all, err := c.All()
	for _, ch := range all {
		if path.Clean(string(ch.Path)) == path.Clean(string(dir)) {
			return ch, nil
		}
	}
	if len(all) > 0 {
		if dirInfo, err := os.Stat(string(dir)); err == nil {
			for _, ch := range all {
				if info, err := os.Stat(string(ch.Path)); err == nil && os.SameFile(info, dirInfo) {
					return ch, nil
				}
			}
		}
	}
	return nil, err
}
