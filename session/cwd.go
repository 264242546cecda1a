package session

import (
	"fmt"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// chooseCwd chooses the working directory: the caller's, if that very directory
// is visible inside. A command must not run anywhere else. A shell may, and so
// may root, whose commands maintain the chroot. For a launch from the menu nobody
// chose the directory.
func (b *builder) chooseCwd() error {
	c := b.f.Caller.Cwd
	switch at, ok := b.findVisible(c); {
	case b.req.Cwd != "":
		b.plan.Cwd = b.req.Cwd
	case ok:
		b.plan.Cwd = at
		if alias, ok := b.homeAliasCwd(at); ok {
			b.plan.Cwd = alias
		}
	case b.req.FromMenu:
		b.plan.Cwd = b.f.Home
	case len(b.req.Argv) > 0 && !b.req.RootInside && (!b.req.AnyCwd || b.namesFileOf(c)):
		return &CwdError{Dir: c, Argv: b.req.Argv, Name: b.f.Name, Inside: b.findInAlias(c)}
	default:
		b.plan.Cwd = b.f.Home
		// From the caller's home root starts in its own, as su - does.
		if !b.req.RootInside || string(c) != b.f.Caller.Account.Home || b.namesFileOf(c) {
			b.warn("%s: starting in %s", describeHidden(c, b.f.Name), b.f.Home)
		}
	}
	return nil
}

// namesFileOf reports whether an argument names, by a relative path, something that
// exists in the directory dir. In another directory the program would find another
// file, or none.
func (b *builder) namesFileOf(dir HostPath) bool {
	for arg := range b.relativeArguments() {
		if _, err := os.Lstat(string(dir.Join(arg))); err == nil {
			return true
		}
	}
	return false
}

// relativeArguments yields the arguments that may be relative paths, and what
// stands after the "=" of an option.
func (b *builder) relativeArguments() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, arg := range b.req.Argv[min(1, len(b.req.Argv)):] {
			if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
				arg = value
			}
			if arg != "" && !path.IsAbs(arg) && !yield(path.Clean(arg)) {
				return
			}
		}
	}
}

// homeAliasCwd returns the alias of the caller's real home if the caller works at
// the top of it and the command names a loose file there: what is a link in the
// home inside is the file itself in the alias.
func (b *builder) homeAliasCwd(cwd Path) (Path, bool) {
	if cwd != b.f.Home || string(cwd) != b.f.Caller.Account.Home || !b.namesLooseFile() {
		return "", false
	}
	alias := HomeAlias(HostPath(b.f.Caller.Account.Home))
	return alias, b.shows(alias, HostPath(b.f.Caller.Account.Home))
}

// shareCwd shares the caller's directory at its own path if it is not visible
// yet: one below the home (but not the home itself, and not below a dot directory
// of it, where settings are), or any directory elsewhere that the caller can enter
// and that is not the system's.
func (b *builder) shareCwd() {
	c := b.f.Caller.Cwd
	if _, ok := b.findVisible(c); ok || c == "" || b.req.Cwd != "" || b.req.RootInside || !b.f.Allowed("files") {
		return
	}
	if IsShareable(b.f.Caller, c) && !b.isSystemDir(c) && unix.Access(string(c), unix.X_OK) == nil {
		if top := b.findHidden(c); top != "" {
			c = HostPath(b.f.Caller.Account.Home).Join(top) // all of it, so that its paths are the same
		}
		b.bind("files", Bind{Source: c, Dest: Path(c), Why: "the working directory"})
	}
}

// systemDirs are further directories of the system: who works there gets the
// chroot's own directory of that name.
var systemDirs = []HostPath{"/var", "/opt", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/root"}

// isSystemDir reports whether a directory belongs to the system: it is in one of
// systemDirs, outside the home, and the caller cannot write to it.
func (b *builder) isSystemDir(p HostPath) bool {
	return slices.ContainsFunc(systemDirs, p.IsBelow) && !p.IsBelow(HostPath(b.f.Caller.Account.Home)) &&
		unix.Access(string(p), unix.W_OK) != nil
}

// IsShareable reports whether a path may be shared because a person works in it
// or names it on the command line: not a path of the host's system, not the whole
// home, and nothing below a dot directory of the home.
func IsShareable(c *Caller, p HostPath) bool {
	for _, dir := range chrootTrees {
		if p.IsBelow(HostPath(dir)) {
			return false
		}
	}
	home := HostPath(c.Account.Home)
	if p == "/" || home.IsBelow(p) {
		return false
	}
	below, ok := strings.CutPrefix(string(p), string(home)+"/")
	return !ok || !strings.HasPrefix(below, ".")
}

// The chroot has its own directories of these names (and everything below
// chrootTrees): a caller who works in one of them starts in the chroot's.
var (
	chrootTrees = []Path{"/usr", "/etc", "/dev", "/proc", "/sys", "/run", "/boot", "/var/lib"}
	chrootDirs  = []Path{"/", "/home", "/mnt", "/media"}
)

// findVisible returns the path inside at which the host's directory p is visible.
func (b *builder) findVisible(p HostPath) (Path, bool) {
	if p == "" {
		return "", false
	}
	if rest, ok := strings.CutPrefix(string(p), string(b.plan.Tree)); ok && p.IsBelow(b.plan.Tree) {
		return Path("/" + strings.TrimPrefix(rest, "/")), true // it is a directory of the tree
	}
	inside := Path(p)
	_, at, err := b.follow(inside)
	if err != nil || !at.isDir() {
		return "", false
	}
	if inside == b.f.Home || slices.Contains(chrootDirs, inside) || slices.ContainsFunc(chrootTrees, inside.IsBelow) || b.isSystemDir(p) {
		return inside, true
	}
	m, source := b.findMount(at.path)
	return inside, m.Kind == FromHost && source == string(p)
}

// CwdError reports that a command would not run in the caller's directory.
type CwdError struct {
	Dir  HostPath // "" if its path is unknown
	Argv []string
	Name string // of the chroot
	// Inside is where Dir is inside because the whole home is there, or "".
	Inside Path
}

func (e *CwdError) Error() string {
	return fmt.Sprintf("cannot run %q here: %s", e.Argv[0], describeHidden(e.Dir, e.Name))
}

func describeHidden(dir HostPath, name string) string {
	if dir == "" {
		return "the path of the current directory is unknown"
	}
	return fmt.Sprintf("%s is not visible in the chroot %q", dir, name)
}
