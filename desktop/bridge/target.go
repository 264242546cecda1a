// Package bridge is the way back from a chroot: what a program inside asks to
// open is opened by the host. The client, inside, asks the desktop's portal, or
// where there is none chrun's own server outside.
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

// Target is what is to be opened: a URI, or a file by its path without symlinks.
type Target struct{ URI, Path string }

// RefusedError says why something is not handed to the host.
type RefusedError struct{ What, Why string }

func (e *RefusedError) Error() string { return fmt.Sprintf("cannot open %q: %s", e.What, e.Why) }

// refused are schemes that mean something only to the program that shows them, or
// make another one run what they hold.
var refused = map[string]bool{"javascript": true, "vbscript": true, "data": true, "blob": true, "about": true, "chrome": true,
	"resource": true, "view-source": true, "jar": true, "filesystem": true, "moz-extension": true, "chrome-extension": true,
	"ms-msdt": true, "search-ms": true, "vnd.sun.star.script": true, "macro": true, "vnd.libreoffice.command": true}

const maxURI = 64 << 10 // bytes

// Parse reads what a program hands to xdg-open: a URI, or a path, which a
// relative one is below the working directory. A file must be there (else an
// *os.PathError). Other errors are *RefusedError.
func Parse(arg, hostname string) (Target, error) {
	scheme, rest, ok := strings.Cut(arg, ":")
	file := arg
	if ok && validScheme(scheme) {
		if !strings.EqualFold(scheme, "file") {
			uri := encode(arg)
			return Target{URI: uri}, CheckURI(uri)
		}
		u, err := url.Parse("file:" + encode(rest))
		switch {
		case err != nil:
			return Target{}, &RefusedError{arg, "it is no URI"}
		case u.Host != "" && !strings.EqualFold(u.Host, "localhost") && !strings.EqualFold(u.Host, hostname):
			return Target{}, &RefusedError{arg, "it is a file of the machine " + u.Host}
		case !path.IsAbs(u.Path):
			return Target{}, &RefusedError{arg, "it names no absolute path"}
		}
		file = u.Path
	}
	if file == "" || len(file) >= unix.PathMax || strings.ContainsRune(file, 0) {
		return Target{}, &RefusedError{cut(arg), "it names no file"}
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
	if err != nil || !path.IsAbs(real) || !openable(&st) {
		return Target{}, &RefusedError{arg, "it is no file and no directory"}
	}
	return Target{Path: real}, nil
}

// openable says whether it is a regular file or a directory.
func openable(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG || st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// encode makes a URI of what people type for one (RFC 3987, 3.1): what may stand
// in no URI is written as %XX. Control characters stay, and are refused.
func encode(s string) string {
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

// CheckURI says whether a URI may be handed to the host: it is one by its
// characters and its scheme (RFC 3986), and the scheme is none of those that
// make sense only where they are shown, or run what they hold.
func CheckURI(uri string) error {
	scheme, rest, ok := strings.Cut(uri, ":")
	switch {
	case len(uri) > maxURI:
		return &RefusedError{cut(uri), "it is too long"}
	case !ok || !validScheme(scheme):
		return &RefusedError{cut(uri), "it has no scheme"}
	case refused[strings.ToLower(scheme)]:
		return &RefusedError{cut(uri), "links of the scheme " + strings.ToLower(scheme) + " are not handed to other programs"}
	case strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return &RefusedError{cut(uri), "it holds characters that no URI has"}
	case strings.Trim(rest, "/") == "":
		return &RefusedError{uri, "there is nothing behind its scheme"}
	}
	return nil
}

// cut shortens what is quoted in a message.
func cut(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// validScheme is RFC 3986, 3.1. One letter is a drive of another system.
func validScheme(s string) bool {
	if len(s) < 2 || !(('a' <= s[0]|0x20) && s[0]|0x20 <= 'z') {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '-' || r == '.')
	})
}
