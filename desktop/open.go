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

// HostOpen is the way back: what a program inside opens, the host opens. The
// helper inside is chrun itself under another name. GLib and Qt find it by a
// desktop entry that is the default for links; for files the chroot's own
// programs come first, and it stands behind them.
var HostOpen = session.Feature{
	Name:      "host-open",
	Shares:    "links and files that a program inside opens: `xdg-open`, `gio open`, `$BROWSER`",
	Variables: []string{"BROWSER"},
	Detect:    detectHostOpen,
}

// Openers are the names under which chrun is the helper.
var Openers = []string{"xdg-open", "sensible-browser"}

const (
	openerDir = session.PrivateDir + "/open"
	// OpenSocket is where the helper asks, if there is no portal.
	OpenSocket = openerDir + "/socket"
	// entryDir stands last among the data directories: an entry of the chroot's
	// for the same type comes first.
	entryDir = openerDir + "/share"
	entryID  = "chrun-open.desktop"
)

// What the helper is the default for: links, which no program of a chroot should
// keep for itself, and directories. The host may have no program for some of
// them, and then says so; to ask it at each launch would cost more than all the
// rest.
//
//go:embed open/mimeapps.list
var openDefaults []byte

// What it can open at all: these, and the types of files that a chroot without a
// program for them leaves to the host. GLib does not take
// application/octet-stream for the parent of every type, so the usual ones are
// named.
//
//go:embed open/mimeinfo.cache
var openTypes []byte

func detectHostOpen(f *session.Facts) (s session.Share) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil || !isFile(session.HostPath(exe)) {
		return session.Share{State: "no: chrun's own program is not to be found (it was replaced or removed)"}
	}
	if st, err := f.Root.Lstat("/run"); err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return session.Share{State: "no: /run of the chroot is a link"} // and not where our files are
	}
	const why = "opens links and files on the host"
	var at []session.Path
	for _, name := range Openers {
		if p := openerPath(f, name); p != "" {
			at = append(at, p)
		}
	}
	if len(at) == 0 {
		at = append(at, openerDir.Join(Openers[0]))
	}
	opener := at[0]
	for _, p := range at {
		s.Binds = append(s.Binds, session.Bind{Source: session.HostPath(exe), Dest: p, ReadOnly: true, Why: why})
	}
	switch {
	case f.Identity.Kind != session.Grant && f.Allowed("session-bus") && hasOpenPortal(f.Caller) && BusAddress(f.Caller) != nil:
		s.State = "by the host's portal"
	case f.Account.UID == 0:
		s.State = "no: the host has no portal, and root inside no other way"
	default:
		s.State = "by the host's xdg-open"
		s.Relay = &session.Relay{Opens: true, Path: OpenSocket}
	}
	s.Places = true
	s.Env = []session.Var{{Name: "BROWSER", Value: string(opener)}}
	s.Files = []session.File{
		{Path: entryDir.Join("applications", entryID), Why: why, Data: []byte("[Desktop Entry]\nType=Application\nName=Open on the host\n" +
			"Exec=" + string(opener) + " %u\nNoDisplay=true\nStartupNotify=true\n")},
		{Path: entryDir.Join("applications/mimeinfo.cache"), Why: why, Data: openTypes},
		{Path: openerDir.Join("mimeapps.list"), Why: why, Data: openDefaults},
	}
	s.Lists = []session.List{
		{Name: "XDG_CONFIG_DIRS", First: string(openerDir), Default: "/etc/xdg"},
		{Name: "XDG_DATA_DIRS", Last: string(entryDir), Default: usualDataDirs},
	}
	return s
}

// openerPath is where the helper is mounted so that it is found by name: a login
// shell sets PATH anew. That is the chroot's own program, or where it has none
// /usr/local/bin; nowhere for root inside and where the launch may write, since package
// managers could not replace a file that is mounted over. A link may lead to a program
// that is something else too (busybox).
func openerPath(f *session.Facts, name string) session.Path {
	own, local := session.Path("/usr/bin").Join(name), session.Path("/usr/local/bin")
	st, err := f.Root.Lstat(own)
	switch {
	case f.Account.UID == 0:
		return ""
	case f.Writable("/usr/bin") || f.Writable(local):
		return ""
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG:
		return own
	case f.Root.IsDir(local):
		return local.Join(name)
	}
	return ""
}

// choosers are the backends of xdg-desktop-portal that can ask which program to
// take (org.freedesktop.impl.portal.AppChooser). Without one there is no OpenURI:
// that of wlroots alone is not enough.
var choosers = []string{"gtk", "gnome", "kde", "pantheon"}

// hasOpenPortal says whether the host has an OpenURI hasOpenPortal: the session bus can start
// it, and a backend.
func hasOpenPortal(c *session.Caller) bool {
	dirs := c.Env.Get("XDG_DATA_DIRS")
	if dirs == "" {
		dirs = "/usr/share:/usr/local/share" // Base Directory 0.8; the order does not matter
	}
	var data []session.HostPath
	for dir := range strings.SplitSeq(dirs, ":") {
		if path.IsAbs(dir) {
			data = append(data, c.Host.Join(dir))
		}
	}
	data = append(data, dataHome(c))
	return slices.ContainsFunc(data, func(dir session.HostPath) bool {
		return isFile(dir.Join("dbus-1/services/org.freedesktop.portal.Desktop.service"))
	}) && slices.ContainsFunc(data, func(dir session.HostPath) bool {
		return slices.ContainsFunc(choosers, func(name string) bool { return isFile(dir.Join("xdg-desktop-portal/portals", name+".portal")) })
	})
}
