package desktop

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
)

// findClicked returns what an argument of a launch from the menu names if it may
// have been clicked: it consists of nothing else, and the host has it.
func findClicked(f *session.Facts, i int, p session.HostPath) (c session.Clicked, ok bool) {
	arg := f.Argv[i]
	if f.App == "" || f.Identity.InsideUID == 0 || strings.HasPrefix(arg, "-") || strings.Contains(f.App, "/") {
		return c, false
	}
	isURI := !path.IsAbs(arg)
	if isURI && !strings.HasPrefix(strings.ToLower(arg), "file:") {
		return c, false
	}
	real, err := rootfs.ResolveHost(p)
	var st unix.Stat_t
	if err != nil || unix.Stat(string(real), &st) != nil {
		return c, false
	}
	kind := st.Mode & unix.S_IFMT
	return session.Clicked{Arg: i, URI: isURI, Path: p, File: real, Dir: kind == unix.S_IFDIR, IsFixed: func() bool {
		const maxEntry = 1 << 20 // bytes
		entry := dataHome(f.Caller).Join("applications", f.App+".desktop")
		text, err := rootfs.ReadHost(entry, maxEntry, 0)
		return err == nil && strings.Contains(string(text), arg)
	}}, kind == unix.S_IFDIR || kind == unix.S_IFREG
}
