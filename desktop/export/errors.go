package export

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"chrun/session"
)

// Error says why something cannot be exported or unexported.
type Error struct {
	Verb string // such as "export" or "unexport"
	What string
	Why  string
	Next string // what to type, or ""
}

func (e *Error) Error() string { return "cannot " + e.Verb + " " + e.What + ": " + e.Why }

// Hint says what to type next, or "".
func (e *Error) Hint() string { return e.Next }

// A RunError means that the exports of a chroot could not be brought up to date.
type RunError struct {
	Chroot  string // its name
	Started bool   // files may have changed
	Err     error
}

func (e *RunError) Error() string { return "cannot export " + e.Chroot + ": " + e.Err.Error() }
func (e *RunError) Unwrap() error { return e.Err }

// Hint says how to complete a run that had started, or "".
func (e *RunError) Hint() string {
	var p *os.PathError
	switch {
	case !e.Started:
		return ""
	case errors.As(e.Err, &p) && (errors.Is(e.Err, fs.ErrPermission) || errors.Is(e.Err, syscall.EROFS)):
		return "check whether you can write there: ls -ld " + session.Quote(path.Dir(p.Path))
	}
	return "to complete the export: chrunctl sync " + e.Chroot
}
