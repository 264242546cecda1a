package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// openDesk is a desktop whose programs for links and files write down what they
// are given.
type openDesk struct {
	*desk
	home, log string
	without   string // a data directory without a portal
}

func openOpen(t *testing.T) *openDesk {
	t.Helper()
	headless.Chroot(t)
	u, err := headless.TestUser()
	if err != nil {
		t.Fatal(err)
	}
	dir := headless.Dir(t, u)
	d := &openDesk{home: filepath.Join(dir, "home"), log: filepath.Join(dir, "log"), without: filepath.Join(dir, "share")}
	for p, text := range map[string]string{
		"home/.local/share/applications/fake.desktop": "[Desktop Entry]\nType=Application\nName=Fake\nExec=" + dir + "/fake %u\n" +
			"MimeType=x-scheme-handler/http;x-scheme-handler/https;x-scheme-handler/mailto;text/plain;text/html;inode/directory;application/pdf;\n",
		"home/.local/share/applications/mimeinfo.cache": "[MIME Cache]\n",
		"home/.config/mimeapps.list": "[Default Applications]\nx-scheme-handler/http=fake.desktop\nx-scheme-handler/https=fake.desktop\nx-scheme-handler/mailto=fake.desktop\n" +
			"text/plain=fake.desktop\ntext/html=fake.desktop\ninode/directory=fake.desktop\napplication/pdf=fake.desktop\napplication/octet-stream=fake.desktop\n",
		"home/.config/user-dirs.dirs": "XDG_DOCUMENTS_DIR=\"$HOME/Doc\"\n",
		"home/Doc/a b%é'.txt":         "of the host's home",
		"log":                         "",
		"share/x":                     "",
		// What it leaves behind has its output: nobody must wait for that.
		"fake": "#!/bin/sh\necho \"$XDG_ACTIVATION_TOKEN|$1\" >>" + dir + "/log\nsleep 30 &\n",
	} {
		writeFile(t, filepath.Join(dir, p), text)
	}
	if err := os.Chmod(filepath.Join(dir, "fake"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Chown(p, u.UID, u.GID)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d.desk = openDesktop(t, headless.Options{Home: d.home, Bus: true, X11: true})
	// As after three times "open with": the portal asks no longer.
	for _, typ := range []string{"text/plain", "text/html", "application/pdf", "application/octet-stream", "application/x-desktop"} {
		if _, err := d.Output("gdbus", "call", "--session", "-d", "org.freedesktop.impl.portal.PermissionStore", "-o", "/org/freedesktop/impl/portal/PermissionStore",
			"-m", "org.freedesktop.impl.portal.PermissionStore.SetPermission", "desktop-used-apps", "true", typ, "", `["fake", "9", "3"]`); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// opens runs a script inside, and wants these lines in the log, in this order.
func (d *openDesk) opens(t *testing.T, m mode, flags []string, script string, want ...string) {
	t.Helper()
	if err := os.Truncate(d.log, 0); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	r := d.chrun(m, flags, "sh", "-c", script)
	if r.err != nil || r.stderr != "" {
		t.Errorf("%s: %v: %s %s", script, r.err, r.stdout, r.stderr)
	}
	if took := time.Since(begin); took > 25*time.Second {
		t.Errorf("%s took %v: it waits for the program that was opened", script, took)
	}
	have := func() string {
		data, _ := os.ReadFile(d.log)
		return strings.TrimSpace(string(data))
	}
	text := strings.Join(want, "\n")
	for end := time.Now().Add(5 * time.Second); have() != text && time.Now().Before(end); {
		time.Sleep(30 * time.Millisecond)
	}
	if have() != text {
		t.Errorf("%s: opened\n%s\nwant\n%s", script, have(), text)
	}
}

// noPortal is a host that has none: chrun does not find it, and neither does
// what it asks.
func (d *openDesk) noPortal(path string) mode {
	return mode{"without a portal", func(env []string) []string {
		env = append(without("XDG_DATA_DIRS")(env), "XDG_DATA_DIRS="+d.without)
		if path != "" {
			env = append(without("PATH")(env), "PATH="+path)
		}
		return env
	}}
}

// What a program inside opens, the host opens: by the portal, and without one by
// the host's xdg-open.
func TestHostOpen(t *testing.T) {
	d := openOpen(t)
	private := filepath.Join(d.home, "in private, ü.txt")
	for _, m := range []mode{both, d.noPortal("")} {
		t.Run(m.name, func(t *testing.T) {
			state := "host-open: through the host's portal"
			if m.name != "both" {
				state = "host-open: through the host's xdg-open"
			}
			if r := d.chrun(m, []string{"-v"}, "true"); !strings.Contains(r.stderr, state) {
				t.Errorf("no %q: %s", state, r.stderr)
			}
			// Links, in every way.
			d.opens(t, m, nil, `export XDG_ACTIVATION_TOKEN=tok; xdg-open "http://example.org/1?a=%20b&c=ü d#e" && $BROWSER http://example.org/2 && sensible-browser http://example.org/3 http://example.org/4`,
				"tok|http://example.org/1?a=%20b&c=%C3%BC%20d#e", "tok|http://example.org/2", "tok|http://example.org/3", "tok|http://example.org/4")
			// gio does not wait for what it starts, so one at a time.
			d.opens(t, m, nil, `gio open https://example.org/gio`, "|https://example.org/gio")
			d.opens(t, m, nil, `gio open mailto:me@example.org`, "|mailto:me@example.org")
			d.opens(t, m, nil, `env -i XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR sh -lc "xdg-open http://example.org/login"`, "|http://example.org/login")
			// By a link, as Debian's /usr/bin/open, and by any other name.
			d.opens(t, m, nil, `ln -sf /usr/bin/xdg-open "$HOME/.open" && "$HOME/.open" https://example.org/open && bash -c "exec -a chrun xdg-open https://example.org/name"`,
				"|https://example.org/open", "|https://example.org/name")
			d.opens(t, m, []string{"--app", "org.example.App"}, `xdg-open http://example.org/app`, "|http://example.org/app")
			// Files: of the host; of the home that only this chroot has; of the
			// chroot alone; a directory.
			url := func(p string) string { return "|" + p }
			d.opens(t, m, nil, fmt.Sprintf(`cd %s/Doc && xdg-open "a b%%é'.txt"`, d.home), url(d.home+"/Doc/a b%é'.txt"))
			d.opens(t, m, nil, `xdg-open "file://$HOME/Doc/a%20b%25%C3%A9'.txt"`, url(d.home+"/Doc/a b%é'.txt"))
			store := filepath.Join(d.home, ".local/share/chrun/homes", strings.NewReplacer("-", `\x2d`, "/", "-").Replace(d.chroot))
			d.opens(t, m, []string{"-q"}, fmt.Sprintf(`echo text >'%s' && xdg-open '%[1]s'`, private), url(store+"/in private, ü.txt"))
			d.chrun(m, nil, "true") // reports that file
			d.opens(t, m, nil, `xdg-open /usr/share/common-licenses/GPL-3`, url(d.chroot+"/usr/share/common-licenses/GPL-3"))
			d.opens(t, m, nil, `gio open /usr/share/common-licenses/GPL-3`, url(d.chroot+"/usr/share/common-licenses/GPL-3"))
			d.opens(t, m, nil, `xdg-open /usr/share/common-licenses && gio open /usr/share/common-licenses`, url(d.chroot+"/usr/share/common-licenses"), url(d.chroot+"/usr/share/common-licenses"))
			// By what outlives the first program.
			d.opens(t, m, nil, `(exec >&- 2>&-; while kill -0 $$; do sleep 0.05; done; xdg-open http://example.org/late) &`, "|http://example.org/late")
			for command, status := range map[string]string{
				"xdg-open 'javascript:alert(1)'": "4 javascript links", "xdg-open data:text/html,x": "4 data links",
				"xdg-open file://elsewhere/x": "4 a file on another machine, elsewhere", "xdg-open /usr/share/no-such": "2 no such file",
				"xdg-open /dev/null": "4 neither a file nor a directory", "xdg-open": "1 FILE|URL", "xdg-open --frobnicate": "1 unexpected option",
				"xdg-open ''": "4 not the name of a file", `xdg-open "$(printf 'http://x/\ny')"`: "4 characters that are not allowed in a URI",
				"xdg-open http:": "4 nothing follows its scheme", "xdg-open ssh://-oProxyCommand=x": "4 begins with", "xdg-open admin:///etc": "4 admin links open files of the host as root", "xdg-open /run/chrun/path-map": "4 only inside this launch",
			} {
				code, text, _ := strings.Cut(status, " ")
				r := d.chrun(m, nil, "sh", "-c", command+"; echo $?")
				if r.stdout != code || !strings.Contains(r.stderr, text) {
					t.Errorf("%s: %s: %s, want %s", command, r.stdout, r.stderr, status)
				}
			}
		})
	}
}

// Denied, the chroot opens what it opens, and nothing of ours is there.
func TestHostOpenDenied(t *testing.T) {
	d := openOpen(t)
	with := mode{"BROWSER", func(env []string) []string { return append(env, "BROWSER=/usr/bin/host-browser") }}
	r := d.chrun(with, []string{"--deny", "host-open"}, "sh", "-c",
		`echo ${BROWSER-unset} $XDG_CONFIG_DIRS $XDG_DATA_DIRS; ls /run/chrun; head -c 2 /usr/bin/xdg-open; gio mime x-scheme-handler/http`)
	if r.err != nil || !strings.HasPrefix(r.stdout, "unset") || !strings.Contains(r.stdout, "#!") || strings.Contains(r.stdout, "open/") ||
		strings.Contains(r.stdout, "places") || strings.Contains(r.stdout, "chrun-open") {
		t.Errorf("denied: %v: %s %s", r.err, r.stdout, r.stderr)
	}
	// Allowed, the host's is not passed either.
	d.chrun(with, nil, "sh", "-c", "echo $BROWSER").wantOutput(t, "/usr/bin/xdg-open")
	d.chrun(with, []string{"--env", "BROWSER"}, "sh", "-c", "echo $BROWSER").wantOutput(t, "/usr/bin/host-browser")
	if data, _ := os.ReadFile(d.log); len(data) > 0 {
		t.Errorf("opened: %s", data)
	}
}

// In a chroot without xdg-open, the helper is in /usr/local/bin; in one that the
// launch may write it is nowhere but in $BROWSER and the entry, so that package
// managers can put theirs there.
func TestHostOpenTrees(t *testing.T) {
	d := openOpen(t)
	tree := d.chroot
	d.chroot = headless.Chroot32(t)
	d.chrun(both, nil, "sh", "-c", "command -v xdg-open; command -v sensible-browser; echo $BROWSER").wantOutput(t, "/run/chrun/open/xdg-open")
	lacking := mountRenamedTree(t, d.User, "lacking")
	for _, name := range []string{"xdg-open", "sensible-browser"} {
		if err := os.Remove(filepath.Join(lacking, "usr/bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(lacking, "usr/local/bin/own"), "")
	d.chroot = lacking
	d.opens(t, both, nil, `[ -e /usr/local/bin/own ] && sh -lc "xdg-open http://example.org/local" && /usr/local/bin/sensible-browser http://example.org/absolute`,
		"|http://example.org/local", "|http://example.org/absolute")
	// A link may lead to a program that is more than this one.
	if err := os.Symlink("env", filepath.Join(lacking, "usr/bin/xdg-open")); err != nil {
		t.Fatal(err)
	}
	d.opens(t, both, nil, `xdg-open http://example.org/link && env true`, "|http://example.org/link")
	// The caller's own tree.
	d.chroot = filepath.Join(headless.Dir(t, d.User), "tree")
	if out, err := d.Output("sh", "-c", fmt.Sprintf("mkdir %[1]s && cd %[2]s && cp -a bin lib usr %[1]s && cp %[3]s/usr/bin/xdg-open %[1]s/usr/bin", d.chroot, headless.Chroot32(t), tree)); err != nil {
		t.Fatal(out, err)
	}
	d.opens(t, both, nil, `$BROWSER http://example.org/own && read line </usr/bin/xdg-open && [ "$line" = '#!/bin/sh' ] && cp /usr/bin/xdg-open /usr/bin/new && mv /usr/bin/new /usr/bin/xdg-open`, "|http://example.org/own")
	if st, err := os.Stat(filepath.Join(d.chroot, "usr/bin/xdg-open")); err != nil || st.Size() < 1000 {
		t.Errorf("the tree's own: %v, %v", st, err)
	}
}

// A type that only the host has a program for goes there; one that the chroot has
// a program for stays.
func TestHostOpenTypes(t *testing.T) {
	d := openOpen(t)
	d.chroot = mountRenamedTree(t, d.User, "types")
	writeFile(t, filepath.Join(d.chroot, "usr/share/applications/mimeinfo.cache"), "[MIME Cache]\nimage/png=feh.desktop;\nx-scheme-handler/https=firefox-esr.desktop;\n")
	r := d.chrun(both, nil, "sh", "-c", "for t in application/pdf image/png x-scheme-handler/https inode/directory; do gio mime $t | head -n 1; done")
	want := []string{"application/pdf", "chrun-open.desktop", "image/png", "feh.desktop", "x-scheme-handler/https", "chrun-open.desktop", "inode/directory", "chrun-open.desktop"}
	lines := strings.Split(r.stdout, "\n")
	if len(lines) != 4 {
		t.Fatalf("%v: %s %s", r.err, r.stdout, r.stderr)
	}
	for i, line := range lines {
		if !strings.Contains(line, want[2*i]) || !strings.Contains(line, want[2*i+1]) {
			t.Errorf("%s, want %s", line, want[2*i+1])
		}
	}
}

// Every identity has its way back, in a host with a portal: links, and a file
// that only the tree has.
func TestHostOpenIdentities(t *testing.T) {
	headless.Root(t)
	d := openOpen(t)
	fake := filepath.Join(filepath.Dir(d.log), "fake")
	for _, id := range d.identities() {
		t.Run(id.name, func(t *testing.T) {
			if err := os.Truncate(d.log, 0); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
			defer cancel()
			file := "/usr/share/common-licenses/GPL-3"
			script := "$BROWSER http://example.org/x && $BROWSER " + file + " && " +
				`if [ $(id -u) = 0 ]; then read line </usr/bin/xdg-open && [ "$line" = '#!/bin/sh' ]; else xdg-open http://example.org/y; fi`
			cmd := d.launch(ctx, id, nil, "sh", "-c", script)
			if id.name == "grant" { // no portal serves another uid's program, and root knows another HOME of the user
				cmd.Args = append([]string{"unshare", "--mount", "sh", "-c", "mount --bind " + fake + ` /usr/bin/xdg-open && exec "$@"`, "sh"}, cmd.Args...)
				path, err := exec.LookPath("unshare")
				if err != nil {
					t.Fatal(err)
				}
				cmd.Path = path
			}
			out, err := cmd.CombinedOutput()
			want := "|http://example.org/x\n|" + id.tree + file + "\n"
			if id.insideUID != 0 {
				want += "|http://example.org/y\n"
			}
			log := func() string { data, _ := os.ReadFile(d.log); return string(data) }
			for end := time.Now().Add(5 * time.Second); log() != want && time.Now().Before(end); {
				time.Sleep(30 * time.Millisecond)
			}
			if err != nil || log() != want {
				t.Errorf("%v: %s\nopened\n%s\nwant\n%s", err, out, log(), want)
			}
		})
	}
}
