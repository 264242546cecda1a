package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// HintError is an error together with what to type next.
type HintError struct {
	Err   error
	Hints []string
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// WithHint attaches a hint to an error.
func WithHint(err error, hint string) error { return &HintError{err, []string{hint}} }

// LocatedError is an error about something that a configuration file says.
type LocatedError struct {
	Err error
	At  string // FILE:LINE
}

func (e *LocatedError) Error() string { return e.Err.Error() + " (" + e.At + ")" }
func (e *LocatedError) Unwrap() error { return e.Err }

// Locate attaches FILE:LINE to an error; at is "" if no file is concerned.
func Locate(err error, at string) error {
	if err == nil || at == "" {
		return err
	}
	return &LocatedError{err, at}
}

// ChrootError says that a directory cannot be used as a chroot.
type ChrootError struct {
	Verb string // "enter" or "use"
	Dir  rootfs.HostPath
	Err  error
}

func (e *ChrootError) Error() string {
	cause := Cause(e.Err)
	var not *rootfs.NotChrootError
	if errors.As(e.Err, &not) {
		cause = errors.New(not.Why)
	}
	return fmt.Sprintf("cannot %s %q: %v", e.Verb, e.Dir, cause)
}
func (e *ChrootError) Unwrap() error { return e.Err }

// Hint says what to type next.
func (e *ChrootError) Hint() string {
	var not *rootfs.NotChrootError
	dir := session.Quote(string(e.Dir))
	switch {
	case errors.As(e.Err, &not), errors.Is(e.Err, unix.ENOTDIR):
		if tree, where := nearTree(string(e.Dir)); tree != "" {
			return "the chroot is the directory " + where + ": " + session.Quote(tree)
		}
		return "name the directory that holds usr, etc and bin of the other system"
	case errors.Is(e.Err, fs.ErrNotExist):
		return "is it mounted? ls " + dir
	case errors.Is(e.Err, fs.ErrPermission) && isReachable(e.Dir):
		return fmt.Sprintf("only its owner may enter it; as root: sudo chrun -c %s -u root, or let everybody in: sudo chmod a+rx %[1]s", dir)
	case errors.Is(e.Err, fs.ErrPermission):
		return "you need search permission on every directory above it: namei -l " + dir
	}
	return ""
}

// nearTree looks for a chroot above dir, or in it. It returns "" if there is none, or
// if there are several.
func nearTree(dir string) (tree, where string) {
	isTree := func(dir string) bool {
		root, err := rootfs.Open(rootfs.HostPath(dir))
		if err != nil {
			return false
		}
		defer root.Close()
		return root.Exists("/usr") && root.Exists("/etc")
	}
	for above := path.Dir(dir); above != "/" && above != "."; above = path.Dir(above) {
		if isTree(above) {
			return above, "above it"
		}
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if p := path.Join(dir, e.Name()); e.IsDir() && isTree(p) {
			if tree != "" || dir == "/" {
				return "", ""
			}
			tree, where = p, "in it"
		}
	}
	return tree, where
}

// isReachable reports whether the caller may search every directory above dir.
func isReachable(dir rootfs.HostPath) bool {
	_, err := os.Lstat(string(dir))
	return err == nil
}

// Cause is the error below a *fs.PathError: without the name of the system call
// and the path, which the message gives anyway.
func Cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// ErrorText is the text that a command prints for an error: what failed, then
// the hints.
func ErrorText(program string, err error, hints []string) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ") // of joined errors
	if !strings.HasPrefix(text, "cannot ") {
		text = "cannot finish: " + text
	}
	var b strings.Builder
	out := Terminal{&b}
	out.Line(program, text)
	for _, h := range hints {
		out.Line(program, "hint: "+h)
	}
	return b.String()
}

// Hints returns what an error says itself about what to type next.
func Hints(err error) []string {
	var (
		with    *HintError
		trusted *config.UntrustedError
		hinter  interface{ Hint() string }
	)
	switch {
	case errors.As(err, &with):
		return with.Hints
	case errors.As(err, &trusted):
		at := session.Quote(trusted.At)
		return []string{fmt.Sprintf("sudo chown root:root %s && sudo chmod go-w %s", at, at)}
	case errors.As(err, &hinter):
		if h := hinter.Hint(); h != "" {
			return []string{h}
		}
	}
	return nil
}
