package session

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"chrun/session/account"
)

func TestEnviron(t *testing.T) {
	e := Environ{"A=1", "AB=2", "A=3", "EMPTY=", "broken", "=x", "B=a=b\n\xff"}
	for name, want := range map[string]string{"A": "1", "AB": "2", "EMPTY": "", "B": "a=b\n\xff", "broken": "-", "C": "-", "a": "-"} {
		got, ok := e.Lookup(name)
		if !ok {
			got = "-"
		}
		if got != want || e.Get(name) != strings.TrimSuffix(want, "-") {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestFindRuntimeDir(t *testing.T) {
	dir, uid := t.TempDir(), os.Getuid()
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)
	fallback := FindRuntimeDir(nil, uid)
	if want := "/run/user/" + strconv.Itoa(uid); fallback != "" && string(fallback) != want {
		t.Errorf("without the variable: %s", fallback)
	}
	for value, want := range map[string]HostPath{
		dir: HostPath(dir), dir + "//./": HostPath(dir),
		"": fallback, "relative": fallback, dir + "/file": fallback, dir + "/missing": fallback,
	} {
		if got := FindRuntimeDir(Environ{"XDG_RUNTIME_DIR=" + value}, uid); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
	// A directory of another user.
	if got := FindRuntimeDir(Environ{"XDG_RUNTIME_DIR=" + dir}, uid+61234); got != "" {
		t.Errorf("a directory of another user: %s", got)
	}
}

func TestMachineID(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for _, x := range []struct{ etc, dbus, want string }{
		{id + "\n", "", id}, {"", id, id}, {"uninitialized\n", id, id}, {strings.ToUpper(id), "", ""}, {id + "0", "", ""}, {"", "", ""},
	} {
		dir := t.TempDir()
		for p, data := range map[string]string{"etc/machine-id": x.etc, "var/lib/dbus/machine-id": x.dbus} {
			if data != "" {
				os.MkdirAll(filepath.Join(dir, filepath.Dir(p)), 0o755)
				os.WriteFile(filepath.Join(dir, p), []byte(data), 0o644)
			}
		}
		if got := (&Caller{Host: HostPath(dir)}).MachineID(); got != x.want {
			t.Errorf("%q, %q: %q", x.etc, x.dbus, got)
		}
	}
}

func TestSocketBinds(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"run", "home/sub", "own"} {
		os.MkdirAll(filepath.Join(dir, d), 0o755)
	}
	c := &Caller{UID: os.Getuid(), RuntimeDir: HostPath(dir + "/run"), Account: account.Account{Home: dir + "/home"}}
	f := &Facts{Caller: c}
	for p, want := range map[string]string{
		"run/x": "", "run/sub/x": "", // shared anyway
		"own/x":      dir + "/own",
		"home/x":     dir + "/home/x", // not the whole home
		"home/sub/x": dir + "/home/sub",
		"x":          dir + "/x", // not above the home
	} {
		got := ""
		s := HostPath(filepath.Join(dir, p))
		for _, b := range (Socket{Real: s, Path: s}).Binds(f, "why") {
			got += string(b.Source)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
	c.UID += 61234
	if got := (Socket{Real: HostPath(dir + "/own/x")}).Binds(f, "why"); len(got) != 1 || string(got[0].Source) != dir+"/own/x" {
		t.Errorf("in a directory of another user: %v", got)
	}
}

// Variables come from the caller, a login, the account, a feature and the
// request; the later of these wins.
func TestEnvironment(t *testing.T) {
	w := newWorld(t, "tree/home/alice/")
	w.req.Env = []Var{{"MINE", "requested"}, {"WAYLAND_DISPLAY", "wayland-7"}, {"LD_PRELOAD", "/requested.so"}}
	w.req.UnsetEnv = []string{"TERM", "DISPLAY", "NOT_SET"}
	w.deny = []string{"x11"}
	plan, err := w.decide()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"LANG": "C.UTF-8", "SPACE": "a b", "QUOTE": "'\"$\n", "PATH": "/usr/local/bin:/usr/bin", "HOME": "/home/alice", "USER": "alice", "LOGNAME": "alice",
		"SHELL": "/bin/bash", "PWD": "/", "XDG_RUNTIME_DIR": w.dir + "/run", "MINE": "requested", "WAYLAND_DISPLAY": "wayland-7", "LD_PRELOAD": "/requested.so",
		"TERM": "-", "DISPLAY": "-", "XAUTHORITY": "-", "broken": "-",
	} {
		got, ok := plan.Env.Lookup(name)
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A variable that names a directory of the host which is not inside is removed; a
// variable that needs a directory is set if that is inside, through links too.
func TestMissingDirectories(t *testing.T) {
	w := newWorld(t, "tree/home/alice/", "tree/opt/both/", "opt/both/", "home/.local/share/gnupg/", "data/gnupg/", "home/.config/x",
		"themes/Mine/", "themes/Link -> ../store/L", "themes/Gone -> ../gone/G", "store/L/", "gone/G/")
	w.deny = []string{"tmp"} // everything here is below /tmp
	w.f.Caller.Env = Environ{"GNUPGHOME=" + w.home + "/.local/share/gnupg", "PASSWORD_STORE_DIR=" + w.dir + "/data/gnupg", "BOTH=/usr",
		"XDG_CONFIG_HOME=" + w.home + "/.config", "FILE=" + w.home + "/.config/x", "NEW=/no/such", "OLDPWD=" + w.dir + "/themes",
		"WORDS=" + w.dir + "/themes and more", "BUS=" + w.dir + "/themes"}
	dirs := func(name string) DirVar {
		return DirVar{Var{name, "set"}, []Path{"/no/such", Path("/run/host/themes/" + name)}, name + " is missing"}
	}
	w.more = []Offer{{Feature: Feature{Name: "storage"}, Allowed: true, Share: Share{Binds: []Bind{
		{Source: HostPath(w.dir + "/data"), Dest: Path(w.dir + "/data")}, {Source: HostPath(w.dir + "/themes"), Dest: "/run/host/themes", ReadOnly: true},
		{Source: HostPath(w.dir + "/store"), Dest: "/run/host/store", ReadOnly: true}}}},
		{Feature: Feature{Name: "looks", Variables: []string{"BUS", "Mine"}}, Allowed: true,
			Share: Share{DirEnv: []DirVar{dirs("Mine"), dirs("Link"), dirs("Gone")}}}}
	plan, err := w.decide()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"GNUPGHOME": false, "PASSWORD_STORE_DIR": true, "BOTH": true, "XDG_CONFIG_HOME": true, "FILE": true,
		"NEW": true, "OLDPWD": true, "WORDS": true, "BUS": false, "Mine": true, "Link": true, "Gone": false} {
		if _, ok := plan.Env.Lookup(name); ok != want {
			t.Errorf("%s: passes %v, want %v", name, ok, want)
		}
	}
	notes := strings.Join(plan.Notes, "\n")
	for text, want := range map[string]bool{"GNUPGHOME is removed: " + w.home + "/.local/share/gnupg does not exist inside": true,
		"BUS": false, "looks: Gone is missing": true, "Link": false} {
		if strings.Contains(notes, text) != want {
			t.Errorf("notes on %s:\n%s", text, notes)
		}
	}
}

// The program is searched in the PATH of the chroot, unless the command is a path.
func TestPrograms(t *testing.T) {
	for _, x := range []struct {
		argv, shell, programs, argv0 string
	}{
		{"ls", "/bin/bash", "/usr/local/bin/ls /usr/bin/ls", "ls"},
		{"/bin/ls -l", "/bin/bash", "/bin/ls", "/bin/ls"},
		{"./ls", "/bin/bash", "./ls", "./ls"},
		{"", "/bin/bash", "/bin/bash", "-bash"},
		{"", "", "/bin/sh", "-sh"},
	} {
		w := newWorld(t, "tree/home/alice/")
		w.req.Argv, w.f.Account.Shell = strings.Fields(x.argv), x.shell
		plan, err := w.decide()
		if err != nil {
			t.Fatal(err)
		}
		var programs []string
		for _, p := range plan.Programs {
			programs = append(programs, string(p))
		}
		if got := strings.Join(programs, " "); got != x.programs || plan.Argv[0] != x.argv0 {
			t.Errorf("%q: %s as %s", x.argv, got, plan.Argv[0])
		}
	}
}

func TestQuote(t *testing.T) {
	for want, words := range map[string][]string{
		"a /b-c_d.e:f=g@h%i+j,k": {"a", "/b-c_d.e:f=g@h%i+j,k"},
		`'' ' ' 'it'\''s' '$x'`:  {"", " ", "it's", "$x"},
		"'a\nb' 'ä' '~'":         {"a\nb", "ä", "~"},
	} {
		if got := Quote(words...); got != want {
			t.Errorf("%q: %s, want %s", words, got, want)
		}
	}
}
