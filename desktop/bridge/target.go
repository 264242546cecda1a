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
	"path/filepath"
	"strings"
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

const maxURI = 64 << 10

// Parse reads what a program hands to xdg-open: a URI, or a path below cwd. A
// file must be there (an *os.PathError). Errors are *RefusedError otherwise.
func Parse(arg, cwd, hostname string) (Target, error) {
	if err := CheckText(arg); err != nil {
		return Target{}, err
	}
	scheme, rest, ok := strings.Cut(arg, ":")
	file := arg
	if ok && validScheme(scheme) {
		if !strings.EqualFold(scheme, "file") {
			return Target{URI: arg}, CheckURI(arg)
		}
		u, err := url.Parse("file:" + rest)
		switch {
		case err != nil:
			return Target{}, &RefusedError{arg, "it is no URI"}
		case u.Host != "" && u.Host != "localhost" && u.Host != hostname:
			return Target{}, &RefusedError{arg, "it is a file of the machine " + u.Host}
		case !filepath.IsAbs(u.Path) || strings.ContainsRune(u.Path, 0):
			return Target{}, &RefusedError{arg, "it names no absolute path"}
		}
		file = u.Path
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(cwd, file)
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return Target{}, err
	}
	st, err := os.Stat(real)
	if err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		err = &RefusedError{arg, "it is no file and no directory"}
	}
	return Target{Path: real}, err
}

// CheckText refuses what no name of anything holds.
func CheckText(s string) error {
	switch {
	case s == "":
		return &RefusedError{s, "it is empty"}
	case len(s) > maxURI:
		return &RefusedError{s[:100] + "...", "it is too long"}
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return &RefusedError{s, "it holds control characters"}
	}
	return nil
}

// CheckURI says whether a URI may be handed to the host.
func CheckURI(uri string) error {
	scheme, rest, ok := strings.Cut(uri, ":")
	switch {
	case !ok || !validScheme(scheme):
		return &RefusedError{uri, "it has no scheme"}
	case refused[strings.ToLower(scheme)]:
		return &RefusedError{uri, "links of the scheme " + strings.ToLower(scheme) + " are not handed to other programs"}
	case rest == "" || rest == "//":
		return &RefusedError{uri, "there is nothing behind its scheme"}
	case strings.HasPrefix(uri, "-"):
		return &RefusedError{uri, "it begins like an option"}
	}
	return nil
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
