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
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Target is what to open: a URI, or a file by its path without symlinks. Part is
// what a file URI had after the path: "?QUERY", "#FRAGMENT" or both.
type Target struct{ URI, Path, Part string }

// RefusedError says why something is not handed to the host.
type RefusedError struct{ What, Why string }

func (e *RefusedError) Error() string { return fmt.Sprintf("cannot open %q: %s", e.What, e.Why) }

const maxURI = 64 << 10 // bytes

// Parse reads an argument of xdg-open: a URI, or a path, which may be relative to
// the working directory. hostname is this machine in file URIs. If a file cannot
// be opened the error is an *os.PathError, else a *RefusedError.
func Parse(arg, hostname string) (Target, error) {
	scheme, rest, ok := strings.Cut(arg, ":")
	file, part := arg, ""
	if ok && isScheme(scheme) {
		if !strings.EqualFold(scheme, "file") {
			uri := encodeURI(arg)
			return Target{URI: uri}, CheckURI(uri)
		}
		rest = encodeURI(rest)
		u, err := url.Parse("file:" + rest)
		switch {
		case err != nil:
			return Target{}, &RefusedError{arg, "it is not a valid URI"}
		case u.Host != "" && !strings.EqualFold(u.Host, "localhost") && !strings.EqualFold(u.Host, hostname):
			return Target{}, &RefusedError{arg, "it is a file on another machine, " + u.Host}
		case !path.IsAbs(u.Path):
			return Target{}, &RefusedError{arg, "its path is not absolute"}
		}
		file = u.Path
		if i := strings.IndexAny(rest, "?#"); i >= 0 {
			part = rest[i:]
		}
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
	return Target{Path: real, Part: part}, nil
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
	refused := refusedSchemes()[strings.ToLower(scheme)]
	switch {
	case len(uri) > maxURI:
		return &RefusedError{shorten(uri), "it is too long"}
	case !ok || !isScheme(scheme):
		return &RefusedError{shorten(uri), "it has no scheme"}
	case refused != "":
		return &RefusedError{shorten(uri), strings.ToLower(scheme) + " links " + refused}
	case !isVisibleASCII(uri):
		return &RefusedError{shorten(uri), "it has characters that are not allowed in a URI"}
	case strings.Trim(rest, "/") == "" && slices.Contains(hostSchemes, strings.ToLower(scheme)):
		return &RefusedError{uri, "nothing follows its scheme"}
	case beginsAsOption(rest):
		return &RefusedError{shorten(uri), "its host begins with \"-\", which a program could take for an option"}
	}
	return nil
}

func isVisibleASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// beginsAsOption reports whether the user or host after the scheme begins with
// "-". Many handlers of links pass them to a command.
func beginsAsOption(rest string) bool {
	authority := strings.TrimLeft(rest, "/")
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	if decoded, err := url.PathUnescape(authority); err == nil {
		authority = decoded
	}
	return slices.ContainsFunc(strings.Split(authority, "@"), func(s string) bool {
		return strings.HasPrefix(strings.TrimLeft(s, "["), "-")
	})
}

// maxToken is how many bytes an activation token may have.
const maxToken = 512

// checkToken returns an activation token if it can be one: a word without spaces,
// or "". A token is only for convenience, so that a bad one is dropped.
func checkToken(token string) string {
	if len(token) > maxToken || !isVisibleASCII(token) {
		return ""
	}
	return token
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
