package desktop

import (
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/rootfs"
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

// Links are what the helper is the default for: what no program of a chroot
// should keep for itself. The host may have no program for some of them, and
// then says so; to ask it at each launch would cost more than all the rest.
var Links = []string{"http", "https", "ftp", "mailto", "news", "nntp", "tel", "sip", "sips", "sms", "callto", "xmpp", "irc", "ircs",
	"webcal", "geo", "magnet", "ssh", "sftp", "smb", "dav", "davs", "vnc", "rdp", "steam", "zoommtg", "msteams", "tg", "signal", "slack"}

// fallback are the types of files that a chroot without a program for them
// leaves to the host. GLib does not take application/octet-stream for a parent
// of every type: the usual ones are named.
var fallback = []string{"application/octet-stream", "text/plain", "text/html", "text/csv", "text/markdown", "text/rtf", "application/xhtml+xml", "application/xml",
	"application/json", "application/pdf", "application/postscript", "image/vnd.djvu", "application/epub+zip",
	"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml", "image/bmp", "image/tiff", "image/avif", "image/heif", "image/x-xcf",
	"audio/mpeg", "audio/flac", "audio/ogg", "audio/x-vorbis+ogg", "audio/x-opus+ogg", "audio/mp4", "audio/x-wav", "audio/aac", "audio/midi",
	"video/mp4", "video/webm", "video/x-matroska", "video/mpeg", "video/ogg", "video/quicktime", "video/x-msvideo",
	"application/zip", "application/x-tar", "application/x-compressed-tar", "application/x-xz-compressed-tar", "application/x-7z-compressed", "application/gzip", "application/vnd.rar",
	"application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.presentation", "application/vnd.oasis.opendocument.graphics",
	"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/vnd.openxmlformats-officedocument.presentationml.presentation"}

func detectHostOpen(f *session.Facts) (s session.Share) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil || !isFile(session.HostPath(exe)) {
		return session.Share{State: "no: chrun's own program is not to be found (it was replaced or removed)"}
	}
	if st, err := f.Root.Lstat("/run"); err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return session.Share{State: "no: /run of the chroot is a link"} // and not where our files are
	}
	const why = "opens links and files on the host"
	opener := openerDir.Join(Openers[0])
	share := func(at session.Path) {
		s.Binds = append(s.Binds, session.Bind{Source: session.HostPath(exe), Dest: at, ReadOnly: true, Why: why})
	}
	share(opener)
	if f.Account.UID != 0 {
		for _, name := range Openers {
			if at := overOwn(f, name); at != "" {
				share(at)
			}
		}
	}
	switch {
	case f.Identity.Kind != session.Grant && f.Allowed("session-bus") && portal(f.Caller) && BusAddress(f.Caller) != nil:
		s.State = "by the host's portal"
	case f.Account.UID == 0:
		s.State = "no: the host has no portal, and root inside no other way"
	default:
		s.State = "by the host's xdg-open"
		s.Relay = &session.Relay{Opens: true, Path: OpenSocket}
	}
	s.Places = true
	links := "inode/directory=" + entryID + ";\n"
	for _, scheme := range Links {
		links += "x-scheme-handler/" + scheme + "=" + entryID + ";\n"
	}
	cache := strings.Join(fallback, "="+entryID+";\n") + "=" + entryID + ";\n"
	s.Env = []session.Var{{Name: "BROWSER", Value: string(opener)}}
	s.Files = []session.File{
		{Path: entryDir.Join("applications", entryID), Why: why, Data: []byte("[Desktop Entry]\nType=Application\nName=Open on the host\n" +
			"Exec=" + string(opener) + " %u\nNoDisplay=true\nStartupNotify=true\n")},
		{Path: entryDir.Join("applications/mimeinfo.cache"), Why: why, Data: []byte("[MIME Cache]\n" + links + cache)},
		{Path: openerDir.Join("mimeapps.list"), Why: why, Data: []byte("[Default Applications]\n" + links)},
	}
	s.Lists = []session.List{
		{Name: "XDG_CONFIG_DIRS", First: string(openerDir), Default: "/etc/xdg"},
		{Name: "XDG_DATA_DIRS", Last: string(entryDir), Default: dataDirs(f)},
	}
	return s
}

// overOwn is where the helper is mounted so that it is found by name: a login
// shell sets PATH anew. That is the chroot's own program, or where it has none
// /usr/local/bin; nowhere, if the launch may write there, since package managers
// could not replace a file that is mounted over. A link may lead to a program
// that is something else too (busybox).
func overOwn(f *session.Facts, name string) session.Path {
	own, local := session.Path("/usr/bin").Join(name), session.Path("/usr/local/bin")
	st, err := f.Root.Lstat(own)
	switch {
	case f.Writable("/usr/bin") || f.Writable(local):
		return ""
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG:
		return own
	case f.Root.IsDir(local):
		return local.Join(name)
	}
	return ""
}

// portal says whether the host has an OpenURI portal: the session bus can start
// one, and there is a backend that can ask which program to take (without one
// xdg-desktop-portal has no OpenURI: that of wlroots alone is not enough).
func portal(c *session.Caller) bool {
	dirs := c.Env.Get("XDG_DATA_DIRS")
	if dirs == "" {
		dirs = "/usr/local/share:/usr/share" // Base Directory 0.8
	}
	service, backend := false, false
	for _, dir := range append([]string{string(dataHome(c))}, strings.Split(dirs, ":")...) {
		if !path.IsAbs(dir) {
			continue
		}
		data := c.Host.Join(dir)
		service = service || isFile(data.Join("dbus-1/services/org.freedesktop.portal.Desktop.service"))
		backend = backend || chooses(data.Join("xdg-desktop-portal/portals"))
		if service && backend {
			return true
		}
	}
	return false
}

// chooses says whether a backend in dir implements AppChooser.
func chooses(dir session.HostPath) bool {
	list, _ := os.ReadDir(string(dir))
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), ".portal") {
			continue
		}
		if data, err := rootfs.ReadHost(dir.Join(e.Name()), 64<<10, 0); err == nil && strings.Contains(string(data), "org.freedesktop.impl.portal.AppChooser") {
			return true
		}
	}
	return false
}
