package desktop

import (
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// Files shares the files and directories that the command line names and the
// chroot does not have. A file comes with its folder, so that files beside it are
// found and new ones persist. The planner shares the working directory, which
// belongs to this feature too.
var Files = session.Feature{
	Name:   "files",
	Shares: "files and directories named on the command line, and the working directory",
	Detect: detectFiles,
}

func detectFiles(f *session.Facts) session.Share {
	var s session.Share
	seen := map[session.HostPath]bool{}
	for i := 1; i < len(f.Argv); i++ {
		p := argumentPath(f.Argv[i], f.Base)
		if p == "" {
			continue
		}
		if c, ok := findClicked(f, i, p); ok {
			s.Clicked = append(s.Clicked, c)
		}
		if seen[p] {
			continue
		}
		seen[p] = true
		if home := session.HostPath(f.Caller.Account.Home); p != home && p.IsBelow(home) {
			s.Named = append(s.Named, p)
		}
		binds := shareFile(f.Caller, p)
		if f.Identity.Kind != "" && f.Identity.InsideUID == 0 {
			binds = forRoot(binds)
		}
		s.Binds = append(s.Binds, binds...)
	}
	switch n := len(s.Binds); n {
	case 0:
		s.State = "the command line names nothing to share"
	case 1:
		s.State = fmt.Sprintf("%s, unless the chroot has it", s.Binds[0].Source)
	default:
		s.State = fmt.Sprintf("%s and %d more, unless the chroot has them", s.Binds[0].Source, n-1)
	}
	return s
}

// forRoot restricts binds to what root inside needs: the files that a package
// manager reads. Their folder comes with them, except root's own /tmp.
func forRoot(binds []session.Bind) (files []session.Bind) {
	for _, b := range binds {
		if isFile(b.Source) {
			b.ReadOnly = true
			b.WithFolder = b.WithFolder && !b.Dest.IsBelow("/tmp") && !b.Dest.IsBelow("/var/tmp")
			files = append(files, b)
		}
	}
	return files
}

// argumentPath returns the path on the host that an argument may name, or "". The
// argument is a path, a file:// URI of this machine, or either after "--option=".
func argumentPath(arg string, base session.HostPath) session.HostPath {
	if strings.HasPrefix(arg, "-") {
		_, value, ok := strings.Cut(arg, "=")
		if !ok {
			return ""
		}
		arg = value
	}
	if len(arg) > 6 && strings.EqualFold(arg[:5], "file:") && arg[5] == '/' { // RFC 8089, RFC 3986
		uri, host := arg[5:], ""
		if rest, ok := strings.CutPrefix(uri, "//"); ok {
			host, uri, _ = strings.Cut(rest, "/")
		}
		if i := strings.IndexAny(uri, "?#"); i >= 0 {
			uri = uri[:i] // query or fragment
		}
		p, ok := unescape(uri)
		if !ok || host != "" && host != "localhost" {
			return ""
		}
		arg = path.Join("/", p)
	}
	switch {
	case arg == "", strings.Contains(arg, "\x00"):
		return ""
	case path.IsAbs(arg):
		return session.HostPath(path.Clean(arg))
	case base != "":
		return base.Join(arg)
	}
	return ""
}

// shareFile binds p at its own path, and the target of its symlinks.
func shareFile(c *session.Caller, p session.HostPath) (binds []session.Bind) {
	var st unix.Stat_t
	real, ok := canShare(c, p)
	if !ok || unix.Stat(string(p), &st) != nil {
		return nil
	}
	b := session.Bind{Source: p, Dest: session.Path(p), OnlyIfMissing: true, Why: "named on the command line"}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		// Share the folder too, unless it is the home or a top-level directory.
		folder := session.HostPath(path.Dir(string(p)))
		_, ok := canShare(c, folder)
		b.WithFolder = ok && strings.Count(string(folder), "/") > 1
	}
	binds = append(binds, b)
	if real == p {
		return binds
	}
	b.Source, b.WithFolder = real, false
	// A link may lead to a second link, in another directory.
	if text, err := os.Readlink(string(p)); err == nil {
		next := session.HostPath(path.Clean(text))
		if !path.IsAbs(text) {
			next = session.HostPath(path.Dir(string(p))).Join(text)
		}
		if next != real && session.IsShareable(c, next) {
			b.Dest = session.Path(next)
			binds = append(binds, b)
		}
	}
	b.Dest = session.Path(real)
	return append(binds, b)
}

// canShare reports whether p may be shared, and returns the target of its
// symlinks. The target must be shareable too: /bin may lead to /usr/bin.
func canShare(c *session.Caller, p session.HostPath) (real session.HostPath, ok bool) {
	real, err := rootfs.ResolveHost(p)
	real = c.PathThroughHome(real)
	return real, err == nil && session.IsShareable(c, p) && session.IsShareable(c, real)
}
