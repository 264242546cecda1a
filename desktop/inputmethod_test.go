package desktop

import (
	"slices"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
	"chrun/session"
)

// Each toolkit in the chroot needs its own module.
func TestFindMissingModules(t *testing.T) {
	d := fakedesk.New(t)
	notes := func() string { return strings.Join(findMissingModules(d.Root, d.Caller.Env), "\n") }
	const lib = "tree/usr/lib/x86_64-linux-gnu/"
	d.Write(lib+"libgtk-3.so.0", "")
	d.Write(lib+"libgtk-4.so.1", "")
	d.Write(lib+"libQt6Gui.so.6", "")
	if notes() != "" {
		t.Error("no input method is named:", notes())
	}
	d.SetEnv("GTK_IM_MODULE=fcitx", "QT_IM_MODULE=ibus", "QT_IM_MODULES=wayland;fcitx;ibus")
	d.Write(lib+"gtk-3.0/3.0.0/immodules/im-fcitx5.so", "")
	if want := "the chroot's GTK 4 has no module for the input method fcitx: install it in the chroot (on Debian: fcitx5-frontend-gtk4)\n" +
		"the chroot's Qt 6 has no module for the input method fcitx: install it in the chroot (on Debian: fcitx5-frontend-qt6)"; notes() != want {
		t.Error(notes())
	}
	d.Write(lib+"gtk-4.0/4.0.0/immodules/libim-fcitx5.so", "")
	d.Write(lib+"qt6/plugins/platforminputcontexts/libfcitx5platforminputcontextplugin.so", "")
	if notes() != "" {
		t.Error(notes())
	}
	d.SetEnv("GTK_IM_MODULE=xim", "QT_IM_MODULE=compose")
	if notes() != "" {
		t.Error("built-in modules:", notes())
	}
}

// Whichever home is used inside, the directory with the address of the host's
// IBus daemon is shared, and the socket at the path that is written there.
func TestIBus(t *testing.T) {
	d := fakedesk.New(t)
	d.Home = "/home/alice"
	fakedesk.WantBinds(t, SessionBus.Detect(d.Facts))
	d.Write("home/.cache/ibus/bus/registry", "")
	fakedesk.WantBinds(t, SessionBus.Detect(d.Facts)) // IBus has never run
	d.Write("home/.config/ibus/bus/0123-unix-0", "IBUS_ADDRESS=unix:abstract=x\n")
	dir := string(d.Dir)
	cache := dir + "/home/.cache/ibus"
	s := SessionBus.Detect(d.Facts)
	fakedesk.WantBinds(t, s, dir+"/home/.config/ibus/bus on /home/alice/.config/ibus/bus", cache+" on "+cache)
	if !strings.HasSuffix(s.State, ", and IBus") {
		t.Error(s.State)
	}
	d.SetEnv("XDG_CONFIG_HOME=DIR/cfg", "XDG_CACHE_HOME=DIR/cache")
	d.Write("cfg/ibus/bus/0123-unix-0", "")
	fakedesk.WantBinds(t, SessionBus.Detect(d.Facts), dir+"/cfg/ibus/bus on /home/alice/.config/ibus/bus")
	for _, b := range SessionBus.Detect(d.Facts).Binds {
		if !b.ReadOnly {
			t.Errorf("%+v", b)
		}
	}
	d.Identity.Kind, d.Identity.UID = "remap", d.Caller.UID+1
	fakedesk.WantBinds(t, SessionBus.Detect(d.Facts)) // IBus would refuse the uid
	if s := SessionBus.Hide(d.Facts); len(s.Binds) > 0 || !slices.Contains(s.Cover, "/home/alice/.config/ibus/bus/0123-unix-0") {
		t.Errorf("denied: %+v", s)
	}
}

// The sockets that IBUS_ADDRESS or the file with the address name are shared,
// wherever they are.
func TestIBusElsewhere(t *testing.T) {
	d := fakedesk.New(t)
	d.Home = "/home/alice"
	dir := string(d.Dir)
	p := d.Socket("x/ibus", true)
	d.Write("home/.config/ibus/bus/0123-unix-0", "# comment\nIBUS_ADDRESS=unix:path="+p+",guid=1\nIBUS_DAEMON_PID=1\n")
	fakedesk.WantBinds(t, SessionBus.Detect(d.Facts), p+" on "+p, dir+"/home/.config/ibus/bus on /home/alice/.config/ibus/bus")
	d.Write("home/.config/ibus/bus/0123-unix-0", "IBUS_ADDRESS=unix:path=/no/such\nIBUS_ADDRESS=unix:abstract=x\n")
	fakedesk.WantBinds(t, SessionBus.Detect(d.Facts), dir+"/home/.config/ibus/bus on /home/alice/.config/ibus/bus")
	d.SetEnv("IBUS_ADDRESS=unix:path=DIR/x/ibus")
	s := SessionBus.Detect(d.Facts)
	fakedesk.WantBinds(t, s, dir+"/x on "+dir+"/x")
	if got := fakedesk.Value(s, "IBUS_ADDRESS"); got != "unix:path="+p {
		t.Error(got)
	}
	if s := SessionBus.Hide(d.Facts); !slices.Contains(s.Cover, session.Path(p)) {
		t.Errorf("denied: %q", s.Cover)
	}
	d.SetEnv("IBUS_ADDRESS=unix:path=DIR/x/gone") // stale: the file counts
	if got := fakedesk.Value(SessionBus.Detect(d.Facts), "IBUS_ADDRESS"); got != "-" {
		t.Error(got)
	}
}
