package desktop

import (
	_ "embed"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// HostOpen lets the host open links and files that a program inside opens. The
// opener inside is chrun itself under another name. Programs run it by name, or
// find it through a desktop entry that is the default for links. For files the
// chroot's own programs come first.
var HostOpen = session.Feature{
	Name:      "host-open",
	Shares:    "opening links and files on the host: `xdg-open`, `gio open`, `$BROWSER`",
	Variables: []string{"BROWSER"},
	Detect:    detectHostOpen,
}

// Openers are the names under which chrun acts as the opener.
var Openers = []string{"xdg-open", "sensible-browser"}

const (
	openerDir = session.PrivateDir + "/open"
	// OpenSocket is where the opener connects to, if there is no portal.
	OpenSocket = openerDir + "/socket"
	// entryDir is the last data directory, so that entries of the chroot for the
	// same type come first.
	entryDir = openerDir + "/share"
	entryID  = "chrun-open.desktop"
)

// The types that the opener is the default for: links, directories and places, but
// not links that belong to one program (steam:), which the chroot may have. If the
// host has no program for one of them, it reports that when it opens it: checking
// at each launch would cost more than everything else.
//
//go:embed open/mimeapps.list
var openDefaults []byte

// All types that the opener can open: those above, and types of files for which
// the chroot may have no program. They are listed one by one, because GLib does
// not treat application/octet-stream as the parent of every type.
//
//go:embed open/mimeinfo.cache
var openTypes []byte

func detectHostOpen(f *session.Facts) (s session.Share) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil || !isFile(session.HostPath(exe)) {
		return session.Share{State: "no: chrun was replaced or removed after it started"}
	}
	if st, err := f.Root.Lstat("/run"); err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return session.Share{State: "no: /run of the chroot is a symlink"} // our files would be elsewhere
	}
	const why = "opens links and files on the host"
	var paths []session.Path
	for _, name := range Openers {
		if p := openerPath(f, name); p != "" {
			paths = append(paths, p)
		}
	}
	if len(paths) == 0 {
		paths = append(paths, openerDir.Join(Openers[0]))
	}
	opener := paths[0]
	for _, p := range paths {
		s.Binds = append(s.Binds, session.Bind{Source: session.HostPath(exe), Dest: p, ReadOnly: true, Why: why})
	}
	switch {
	case f.Identity.Kind != session.Grant && f.Allowed("session-bus") && hasOpenPortal(f.Caller) && BusSocket(f.Caller) != "":
		s.State = "through the host's portal"
	case f.Account.UID == 0:
		s.State = "no: the host has no portal, which root inside needs"
	default:
		s.State = "through the host's xdg-open"
		s.Relay = &session.Relay{OpenServer: true, Path: OpenSocket}
	}
	s.NeedsPathMap = true
	s.Env = []session.Var{{Name: "BROWSER", Value: string(opener)}}
	s.Files = []session.File{
		{Path: entryDir.Join("applications", entryID), Why: why, Data: []byte("[Desktop Entry]\nType=Application\nName=Open on the host\n" +
			"Exec=" + string(opener) + " %u\nNoDisplay=true\nStartupNotify=true\n")},
		{Path: entryDir.Join("applications/mimeinfo.cache"), Why: why, Data: openTypes},
		{Path: openerDir.Join("mimeapps.list"), Why: why, Data: openDefaults},
	}
	s.Lists = []session.List{
		{Name: "XDG_CONFIG_DIRS", Prepend: string(openerDir), Default: "/etc/xdg"},
		{Name: "XDG_DATA_DIRS", Append: string(entryDir), Default: defaultDataDirs},
	}
	return s
}

// openerPath returns where to mount the opener so that programs find it by name,
// even after a login shell has reset PATH: over the chroot's own program of that
// name, or else in /usr/local/bin. It does not mount over a symlink, whose target
// may have other functions (busybox). For root inside and for writable directories
// it returns "", because package managers cannot replace a mount point.
func openerPath(f *session.Facts, name string) session.Path {
	original, local := session.Path("/usr/bin").Join(name), session.Path("/usr/local/bin")
	st, err := f.Root.Lstat(original)
	switch {
	case f.Account.UID == 0:
		return ""
	case f.Writable("/usr/bin") || f.Writable(local):
		return ""
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG:
		return original
	case f.Root.IsDir(local):
		return local.Join(name)
	}
	return ""
}

// choosers are the backends of xdg-desktop-portal that can let the person choose
// a program (org.freedesktop.impl.portal.AppChooser). OpenURI needs one of them;
// the backend of wlroots does not suffice.
var choosers = []string{"gtk", "gnome", "kde", "pantheon"}

// hasOpenPortal reports whether the host has an OpenURI portal: the session bus
// can start the portal and a suitable backend.
func hasOpenPortal(c *session.Caller) bool {
	dirs := c.Env.Get("XDG_DATA_DIRS")
	if dirs == "" {
		dirs = defaultDataDirs
	}
	// The system's directories come first: usually no other needs to be looked into.
	known, others := []session.HostPath{dataHome(c)}, []session.HostPath(nil)
	for dir := range strings.SplitSeq(dirs, ":") {
		switch source := c.Host.Join(dir); {
		case !path.IsAbs(dir):
		case slices.Contains(strings.Split(defaultDataDirs, ":"), path.Clean(dir)):
			known = append(known, source)
		default:
			others = append(others, source)
		}
	}
	if len(others) == 0 {
		return containsPortal(known)
	}
	found, _ := askWithin(linkTime, func() bool { return containsPortal(append(known, others...)) })
	return found
}

// containsPortal reports whether data directories have the portal's service and the
// description of a suitable backend.
func containsPortal(data []session.HostPath) bool {
	return slices.ContainsFunc(data, func(dir session.HostPath) bool {
		return isFile(dir.Join("dbus-1/services/org.freedesktop.portal.Desktop.service"))
	}) && slices.ContainsFunc(data, func(dir session.HostPath) bool {
		return slices.ContainsFunc(choosers, func(name string) bool { return isFile(dir.Join("xdg-desktop-portal/portals", name+".portal")) })
	})
}
