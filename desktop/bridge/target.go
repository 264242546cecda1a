// Package bridge opens links and files on the host for programs inside. Command
// is xdg-open inside: its client asks the desktop's portal, or chrun's own server
// outside if there is no portal.
//
// Sources: RFC 3986; RFC 8089; XDG Desktop Portal, OpenURI version 3; xdg-open(1)
// for arguments and the exit status.
package bridge

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Target is what to open: a URI, or a file by its path without symlinks.
type Target struct{ URI, Path string }

// RefusedError says why something is not handed to the host.
type RefusedError struct{ What, Why string }

func (e *RefusedError) Error() string { return fmt.Sprintf("cannot open %q: %s", e.What, e.Why) }

// refusedSchemes mean something only to the program that shows the link, or make
// another program run what the link contains.
var refusedSchemes = map[string]bool{"javascript": true, "vbscript": true, "data": true, "blob": true, "about": true, "chrome": true,
	"resource": true, "view-source": true, "jar": true, "filesystem": true, "moz-extension": true, "chrome-extension": true,
	"ms-msdt": true, "search-ms": true, "vnd.sun.star.script": true, "macro": true, "vnd.libreoffice.command": true}

const maxURI = 64 << 10 // bytes

// Parse reads an argument of xdg-open: a URI, or a path, which may be relative to
// the working directory. hostname is this machine in file URIs. If a file cannot
// be opened the error is an *os.PathError, else a *RefusedError.
func Parse(arg, hostname string) (Target, error) {
	scheme, rest, ok := strings.Cut(arg, ":")
	file := arg
	if ok && isScheme(scheme) {
		if !strings.EqualFold(scheme, "file") {
			uri := encodeURI(arg)
			return Target{URI: uri}, CheckURI(uri)
		}
		u, err := url.Parse("file:" + encodeURI(rest))
		switch {
		case err != nil:
			return Target{}, &RefusedError{arg, "it is not a valid URI"}
		case u.Host != "" && !strings.EqualFold(u.Host, "localhost") && !strings.EqualFold(u.Host, hostname):
			return Target{}, &RefusedError{arg, "it is a file on another machine, " + u.Host}
		case !path.IsAbs(u.Path):
			return Target{}, &RefusedError{arg, "its path is not absolute"}
		}
		file = u.Path
	}
	if file == "" || len(file) >= unix.PathMax || strings.ContainsRune(file, 0) {
		return Target{}, &RefusedError{shorten(arg), "it is not the name of a file"}
	}
	fd, err := unix.Open(file, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return Target{}, &os.PathError{Op: "open", Path: file, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Target{}, &os.PathError{Op: "stat", Path: file, Err: err}
	}
	real, err := os.Readlink(fmt.Sprint("/proc/self/fd/", fd))
	if err != nil || !path.IsAbs(real) || !canOpen(&st) {
		return Target{}, &RefusedError{arg, "it is neither a file nor a directory"}
	}
	return Target{Path: real}, nil
}

// canOpen reports whether st is a regular file or a directory.
func canOpen(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG || st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// encodeURI makes a URI of what people type for one (RFC 3987, 3.1): characters
// that are not allowed in a URI become %XX. Control characters stay and are
// refused later.
func encodeURI(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 0x80 || strings.IndexByte(" \"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// CheckURI checks that uri is one by its characters and its scheme (RFC 3986),
// and that the scheme may be handed to the host.
func CheckURI(uri string) error {
	scheme, rest, ok := strings.Cut(uri, ":")
	switch {
	case len(uri) > maxURI:
		return &RefusedError{shorten(uri), "it is too long"}
	case !ok || !isScheme(scheme):
		return &RefusedError{shorten(uri), "it has no scheme"}
	case refusedSchemes[strings.ToLower(scheme)]:
		return &RefusedError{shorten(uri), strings.ToLower(scheme) + " links are not handed to other programs"}
	case strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return &RefusedError{shorten(uri), "it has characters that are not allowed in a URI"}
	case strings.Trim(rest, "/") == "":
		return &RefusedError{uri, "nothing follows its scheme"}
	}
	return nil
}

// shorten limits the length of a text in a message.
func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// isScheme reports whether s is a URI scheme (RFC 3986, 3.1). A single letter is
// taken for the drive of another system.
func isScheme(s string) bool {
	if len(s) < 2 || !(('a' <= s[0]|0x20) && s[0]|0x20 <= 'z') {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '-' || r == '.')
	})
}
