package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// openExported opens a desktop and exports the program show from a chroot called
// "box". show writes its arguments and a few variables to the file log.
func openExported(t *testing.T, o headless.Options, entry string) (d *desk, log string) {
	o.Home = makeHome(t, nil)
	d = openDesktop(t, o)
	d.chroot = mountRenamedTree(t, d.User, "box")
	log = filepath.Join(headless.Dir(t, d.User), "log")
	writeFile(t, d.chroot+"/usr/bin/show", "#!/bin/sh\nexec 3>>"+log+"\nfor a; do echo \"<$a>\" >&3; [ ! -f \"$a\" ] || echo \"has $(cat \"$a\")\" >&3; done\n"+
		"echo \"token $XDG_ACTIVATION_TOKEN $DESKTOP_STARTUP_ID\" >&3; cat /proc/self/cgroup >&3; echo end >&3\n")
	if err := os.Chmod(d.chroot+"/usr/bin/show", 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, d.chroot+"/usr/share/applications/org.example.Show.desktop", "[Desktop Entry]\nType=Application\nName=Show\nIcon=firefox-esr\n"+entry)
	// The entries contain the path of chrun, which must be on PATH.
	d.Env = append(without("PATH", "XDG_DATA_DIRS")(d.Env), "PATH="+filepath.Dir(chrunProgram)+":/usr/bin:/bin")
	d.chrunctl("add", "box", d.chroot)
	d.chrunctl("export", "box", "show")
	return d, log
}

// waitForLog waits until show has run n times, and returns the log.
func waitForLog(t *testing.T, log string, n int) string {
	t.Helper()
	var text string
	waitFor(t, 30*time.Second, "the end of the program", func() bool {
		data, _ := os.ReadFile(log)
		text = string(data)
		return strings.Count(text, "end\n") >= n
	})
	return text
}

// The launchers of desktops pass files of any name to the program, and files that
// the chroot does not have are shared.
func TestMenuLaunch(t *testing.T) {
	d, log := openExported(t, headless.Options{Compositor: "sway", X11: true, Bus: true}, "Exec=show --x %U\nMimeType=application/x-show;\n")
	data := headless.Dir(t, d.User)
	names := []string{"plain.txt", "with space.txt", `q"u'o$te.txt`, "100%41.txt", "größe;.txt", "-dash.txt"}
	for _, n := range names {
		writeFile(t, filepath.Join(data, n), "content of "+n)
	}
	entry := d.Getenv("HOME") + "/.local/share/applications/org.example.Show.desktop"
	launch := func(words ...string) string {
		t.Helper()
		os.Remove(log)
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		defer cancel()
		c := d.Command(ctx, words[0], words[1:]...)
		c.Env = append(d.Env, "XDG_ACTIVATION_TOKEN=token-1", "DESKTOP_STARTUP_ID=token-1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%q: %v: %s", words, err, out)
			return ""
		}
		return waitForLog(t, log, 1)
	}
	for _, n := range names {
		file := filepath.Join(data, n)
		for _, words := range [][]string{{"gtk-launch", "org.example.Show", file}, {"gio", "launch", entry, file}} {
			text := launch(words...)
			if !strings.HasPrefix(text, "<--x>\n<") || !strings.Contains(text, "has content of "+n+"\n") && !strings.Contains(text, "<file://") {
				t.Errorf("%q: %s", words, text)
			}
		}
	}
	// A URI is passed unchanged.
	text := launch("gtk-launch", "org.example.Show", "https://example.org/a%20b?c=d&e")
	if !strings.Contains(text, "<https://example.org/a%20b?c=d&e>\n") {
		t.Error(text)
	}
	if !strings.Contains(text, "token ") || strings.Contains(text, "token  \n") {
		t.Error("no activation token:", text)
	}
	if text := launch("dex", entry); !strings.HasPrefix(text, "<--x>\ntoken token-1 token-1\n") {
		t.Error("dex:", text)
	}
}

// [app.ID] wins over [app.COMMAND].
func TestAppTable(t *testing.T) {
	d, log := openExported(t, headless.Options{}, "Exec=show\n")
	d.chrunctl("set", "box", "app.show.env.XDG_ACTIVATION_TOKEN=by-command", "app.org.example.Show.env.XDG_ACTIVATION_TOKEN=by-id")
	d.chroot = "box"
	d.chrun(both, []string{"-q", "--app", "org.example.Show"}, "show").wantOutput(t, "")
	if text := waitForLog(t, log, 1); !strings.Contains(text, "token by-id") {
		t.Error(text)
	}
	d.chrun(both, []string{"-q"}, "show").wantOutput(t, "")
	if text := waitForLog(t, log, 2); !strings.Contains(text, "token by-command") {
		t.Error(text)
	}
	if r := d.chrun(both, []string{"--app", "a/b"}, "true"); r.code != 125 || !strings.Contains(r.stderr, `"a/b": it is not a valid application ID`) {
		t.Error(r.stderr)
	}
}

// If a launch from a menu fails, a notification in the name of the entry says so.
func TestMenuFailure(t *testing.T) {
	d, _ := openExported(t, headless.Options{Bus: true}, "Exec=show\n")
	os.Remove(d.chroot + "/usr/bin/show")
	seen := d.monitor("interface=org.freedesktop.Notifications")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	d.Command(ctx, "gio", "launch", d.Getenv("HOME")+"/.local/share/applications/org.example.Show.desktop").Run()
	waitFor(t, 10*time.Second, "the notification", func() bool {
		s := seen.String()
		return strings.Contains(s, `string "desktop-entry"`) && strings.Contains(s, `"org.example.Show"`) && strings.Contains(s, `cannot run "show": not found`) && strings.Contains(s, "chrun --doctor ")
	})
}

// A program of the menu that has no display says so, if there is a bus.
func TestMenuNoDisplay(t *testing.T) {
	d, _ := openExported(t, headless.Options{Bus: true}, "Exec=show\n")
	seen := d.monitor("interface=org.freedesktop.Notifications")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	d.Command(ctx, "gio", "launch", d.Getenv("HOME")+"/.local/share/applications/org.example.Show.desktop").Run()
	waitFor(t, 10*time.Second, "the notification", func() bool {
		s := seen.String()
		return strings.Contains(s, `"org.example.Show"`) && strings.Contains(s, `"no display: `)
	})
}

// monitor collects the messages on the session bus that match the rule.
func (d *desk) monitor(rule string) *safeBuffer {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := d.Command(ctx, "dbus-monitor", "--session", rule)
	seen := &safeBuffer{}
	c.Stdout = seen
	if err := c.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { cancel(); c.Wait() })
	waitFor(d.t, 5*time.Second, "the monitor", func() bool { return seen.String() != "" })
	return seen
}

// If a program outside the chroot owns the D-Bus name of an exported one, chrun
// tells the user where the window will open. If a program of the same chroot owns
// it, chrun says nothing. The name belongs to a program that host and chroot have.
func TestInstanceElsewhere(t *testing.T) {
	const name, program = "org.a11y.Bus", "/usr/libexec/at-spi-bus-launcher"
	d, _ := openExported(t, headless.Options{Bus: true}, "Exec=show\n")
	d.chroot = "box"
	waitOwned := func(want string) {
		t.Helper()
		waitFor(t, 10*time.Second, name+" has an owner: "+want, func() bool {
			text, _ := d.Output("gdbus", "call", "--session", "-d", "org.freedesktop.DBus", "-o", "/org/freedesktop/DBus", "-m", "org.freedesktop.DBus.NameHasOwner", name)
			return strings.Contains(text, want)
		})
	}
	startOwner := func(words ...string) (stop func()) {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		c := d.Command(ctx, words[0], words[1:]...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waitOwned("true")
		return func() { cancel(); c.Wait(); waitOwned("false") }
	}
	warnings := func(flags ...string) string {
		text := d.chrun(both, flags, "true").stderr
		kept := ""
		for line := range strings.Lines(text) { // this desktop has no display
			if !strings.Contains(line, "no display") {
				kept += line
			}
		}
		return kept
	}
	if text := warnings("--app", name); text != "" {
		t.Error(text)
	}
	stop := startOwner(program)
	seen := d.monitor("interface=org.freedesktop.Notifications")
	if text := warnings("--app", name); !strings.Contains(text, name+" already runs on the host (process ") || !strings.Contains(text, "the new window will open there") {
		t.Error(text)
	}
	waitFor(t, 5*time.Second, "the notification", func() bool { return strings.Contains(seen.String(), "already runs on the host") })
	if text := warnings("--app", name+".box"); !strings.Contains(text, name+" already runs on the host") {
		t.Error("with another ID:", text)
	}
	if text := warnings("-q", "--app", name) + warnings(); text != "" {
		t.Error("with -q, and without --app:", text)
	}
	stop()
	stop = startOwner(chrunProgram, "-c", "box", program)
	if text := warnings("--app", name); text != "" {
		t.Error("an instance in the same chroot:", text)
	}
	stop()
}

// The command of --bin runs the program in the chroot. Inside that chroot, it runs
// the program directly.
func TestExportBin(t *testing.T) {
	d, _ := openExported(t, headless.Options{}, "Exec=show\n")
	writeFile(t, d.chroot+"/usr/bin/say", "#!/bin/sh\necho \"$CHRUN_CHROOT: $*; $(tr '\\0' ' ' </proc/$PPID/cmdline)\"\n")
	os.Chmod(d.chroot+"/usr/bin/say", 0o755)
	d.chrunctl("export", "box", "say", "--bin")
	bin := d.Getenv("HOME") + "/.local/bin/say"
	out, err := d.Output(bin, "a b", "$c")
	if err != nil || !strings.HasPrefix(out, "box: a b $c; ") {
		t.Error(out, err)
	}
	// Nobody chose the directory, unless the command line names a file in it.
	hidden := d.Getenv("HOME") + "/.config/say"
	if err := os.MkdirAll(hidden, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, hidden+"/conf", "")
	for args, want := range map[string]string{"https://example.org": "box: https://example.org; ", "conf": ""} {
		out, err := d.Output("sh", "-c", `cd "$0" && exec "$@"`, hidden, bin, args)
		if !strings.HasPrefix(out, want) || want == "" && (err == nil || out != "") {
			t.Errorf("%s: %q, %v", args, out, err)
		}
	}
	d.chroot = "box"
	r := d.chrun(both, []string{"--home=host"}, "sh", "-c", bin+" x; exit 7")
	if r.code != 7 || !strings.Contains(r.stdout, "box: x; sh -c") {
		t.Error(r.stdout, r.stderr)
	}
	d.chrunctl("unexport", "box", "say", "--bin")
	if _, err := os.Stat(bin); err == nil {
		t.Error(bin, "still exists")
	}
}
