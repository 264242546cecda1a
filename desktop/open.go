package desktop

import (
	"os"
	"strings"

	"chrun/session"
)

// HostOpen is the way back: what a program inside opens, the host opens. The
// helper inside is chrun itself under another name.
var HostOpen = session.Feature{
	Name:      "host-open",
	Shares:    "the host's programs, for links and files that a program inside opens",
	Variables: []string{"BROWSER"},
	Detect:    detectHostOpen,
}

// Openers are the names under which chrun is the helper.
var Openers = []string{"xdg-open", "sensible-browser"}

// opened are the kinds of links that the helper's entry is the default for: those
// that no program of a chroot should keep for itself. Files have their own
// programs inside; what none of these opens, the helper does.
var opened = []string{"x-scheme-handler/http", "x-scheme-handler/https", "x-scheme-handler/mailto", "x-scheme-handler/ftp",
	"x-scheme-handler/tel", "x-scheme-handler/sms", "x-scheme-handler/webcal", "x-scheme-handler/magnet", "inode/directory"}

const openerDir = session.PrivateDir + "/open"

func detectHostOpen(f *session.Facts) (s session.Share) {
	exe, err := os.Readlink("/proc/self/exe")
	switch {
	case f.Account.UID == 0:
		return session.Share{State: "not for root"}
	case err != nil || !isFile(session.HostPath(exe)):
		return session.Share{State: "chrun's own program is not to be found"}
	}
	opener := ""
	share := func(at session.Path) {
		s.Binds = append(s.Binds, session.Bind{Source: session.HostPath(exe), Dest: at, ReadOnly: true, Why: "opens links and files on the host"})
		if opener == "" {
			opener = string(at)
		}
	}
	for _, name := range Openers {
		// Package managers must be able to replace their own; and a login shell
		// sets PATH anew, so that only these directories serve.
		switch own, local := session.Path("/usr/bin").Join(name), session.Path("/usr/local/bin"); {
		case f.Writable("/usr/bin") || f.Writable(local):
		case f.Root.Exists(own):
			share(own)
		case f.Root.IsDir(local):
			share(local.Join(name))
		}
	}
	if opener == "" {
		share(openerDir.Join(Openers[0]))
	}
	s.State = "by the portal"
	if f.Foreign() || !f.Allowed("session-bus") || !portal(f.Caller) {
		s.State = "by the host's xdg-open"
		s.Relay = &session.Relay{Opens: true, Path: OpenSocket}
	}
	s.Env = []session.Var{{Name: "BROWSER", Value: opener}}
	types := strings.Join(opened, ";")
	s.Files = []session.File{
		{Path: openerDir.Join("applications/chrun-open.desktop"), Why: "opens links on the host", Data: []byte("[Desktop Entry]\nType=Application\nName=Open on the host\n" +
			"Exec=" + opener + " %u\nNoDisplay=true\nMimeType=" + types + ";application/octet-stream;\n")},
		{Path: openerDir.Join("applications/mimeinfo.cache"), Why: "opens links on the host",
			Data: []byte("[MIME Cache]\n" + strings.Join(opened, "=chrun-open.desktop;\n") + "=chrun-open.desktop;\napplication/octet-stream=chrun-open.desktop;\n")},
		{Path: openerDir.Join("mimeapps.list"), Why: "opens links on the host",
			Data: []byte("[Default Applications]\n" + strings.Join(opened, "=chrun-open.desktop;\n") + "=chrun-open.desktop;\n")},
	}
	s.Front = []session.Var{
		{Name: "XDG_DATA_DIRS", Value: string(openerDir) + ":" + dataDirs(f)},
		{Name: "XDG_CONFIG_DIRS", Value: string(openerDir) + ":/etc/xdg"},
	}
	return s
}

// OpenSocket is where the helper asks, if there is no portal.
const OpenSocket = openerDir + "/socket"

// portal says whether the host's session bus knows a portal.
func portal(c *session.Caller) bool {
	dirs := c.Env.Get("XDG_DATA_DIRS")
	if dirs == "" {
		dirs = "/usr/local/share:/usr/share"
	}
	for _, dir := range append([]string{string(dataHome(c))}, strings.Split(dirs, ":")...) {
		if isFile(session.HostPath(dir).Join("dbus-1/services/org.freedesktop.portal.Desktop.service")) {
			return true
		}
	}
	return false
}
