package complete

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chrun/desktop/export"
	"chrun/desktop/export/mime"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/rootfs"
)

// newCompleter makes two chroots, a and bee, of which a is the default.
func newCompleter(t *testing.T) (c *Completer, dir string) {
	t.Helper()
	dir = t.TempDir()
	config := filepath.Join(dir, "config/chrun")
	for name, text := range map[string]string{
		"mnt/a/usr/bin/firefox": "", "mnt/a/usr/bin/firewall": "", "mnt/a/usr/local/bin/fire": "", "mnt/a/usr/bin/-rf": "", "mnt/a/opt/tool/run": "",
		"mnt/a/etc/passwd": "root:x:0:0::/:\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n",
		"mnt/b/bin/boat":   "", "mnt/b/etc/login.defs": "ENV_PATH PATH=/bin\n",
		"config/chrun/config.toml":      "default = \"a\"\n",
		"config/chrun/chroots/a.toml":   "path = \"" + dir + "/mnt/a\"\n",
		"config/chrun/chroots/bee.toml": "path = \"" + dir + "/mnt/b\"\n",
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	env := session.Environ{"XDG_CONFIG_HOME=" + filepath.Dir(config), "HOME=" + dir}
	return &Completer{Source: cli.ConfigSource(cli.NewCaller(1717, 1717, env), "/no/system", nil), Env: env}, dir
}

// candidates are the words that are offered, without their descriptions.
func (c *Completer) candidates(words ...string) string {
	var out strings.Builder
	c.Out = &out
	c.CompleteLine(words)
	var list []string
	for line := range strings.Lines(out.String()) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, word)
	}
	return strings.Join(list, " ")
}

func TestLine(t *testing.T) {
	c, dir := newCompleter(t)
	for line, want := range map[string]string{
		"fire":                  "fire firefox firewall",
		"-- fire":               "fire firefox firewall",
		"-vq --deny gpu firef":  "firefox",
		"-":                     "--chroot -c --user -u --cwd -C --any-cwd --identity --home --bind --env --unset-env --allow --deny --app --dry-run -n --doctor --list -l --verbose -v --quiet -q --version -V --help -h",
		"--c":                   "--chroot --cwd",
		"-c ":                   "a bee :directories ",
		"-c b":                  "bee :directories ",
		"-cb":                   "-cbee :directories -c",
		"-vc=b":                 "-vc=bee :directories -vc=",
		"--chroot=b":            "--chroot=bee :directories --chroot=",
		"-c bee b":              "boat",
		"-cbee b":               "boat",
		"--chroot=bee b":        "boat",
		"-c @/mnt/b b":          "boat",
		"-c none b":             "",
		"--deny pri":            "printing",
		"--deny=x11,way":        "--deny=x11,wayland",
		"--allow di":            "display",
		"--home ":               "auto private host temporary :directories ",
		"-n":                    "-n",
		"-n=s":                  "-n=shell",
		"-n fire":               "fire firefox firewall",
		"-u ":                   "ann",
		"-C /op":                "/opt/",
		"-C /nothing/":          ":directories ",
		"--bind /d":             ":files ",
		"--bind=/d:/opt/tool/":  "--bind=/d:/opt/tool/run",
		"--unset-env XDG_CONF":  "XDG_CONFIG_HOME",
		"/opt/":                 "/opt/tool/",
		"/opt/tool/r":           "/opt/tool/run",
		"./x":                   ":files ",
		"firefox ":              ":command 1",
		"-c bee -- boat --flag": ":command 4",
		"--nonsense fire":       "fire firefox firewall",
	} {
		if got := c.candidates(strings.Split(strings.ReplaceAll(line, "@", dir), " ")...); got != want {
			t.Errorf("chrun %s\ngot  %q\nwant %q", line, got, want)
		}
	}
	passwd, err := os.OpenFile(filepath.Join(dir, "mnt/a/etc/passwd"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = passwd.WriteString(strings.Repeat("#\n", 3<<20) + "annette:x:1001:1001:::\n")
		err = errors.Join(err, passwd.Close())
	}
	if got := c.candidates("-u", "ann"); err != nil || got != "ann annette" {
		t.Errorf("a large passwd: %.200q, %v", got, err)
	}
	c.Root = true
	if got := c.candidates("-u", ""); got != "root" {
		t.Errorf("root can be %q", got)
	}
}

func TestKeys(t *testing.T) {
	c, dir := newCompleter(t)
	list := ListKeys()
	if len(list) != len(cli.Keys) || !slices.Contains(list, "bind+=") || !slices.Contains(list, "app.") {
		t.Errorf("%q", list)
	}
	text := "path = \"" + dir + "/mnt/a\"\nuser = \"ann\"\nenv.A = \"1\"\ndeny = [\"gpu\", \"x11\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "config/chrun/chroots/a.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := c.ListUsedKeys("a"); !slices.Equal(got, []string{"user", "env.A", "deny"}) {
		t.Errorf("%q", got)
	}
	if got := c.ListRemovals("a"); !slices.Equal(got, []string{"deny-="}) {
		t.Errorf("%q", got)
	}
	if got := c.CompleteSetting("a", "deny-", "g"); !slices.Equal(got, []string{"deny-=gpu", "deny-=x11"}) {
		t.Errorf("%q", got)
	}
	if got := c.ListUsedKeys("none"); got != nil {
		t.Errorf("%q", got)
	}
}

func TestApps(t *testing.T) {
	_, dir := newCompleter(t)
	file := filepath.Join(dir, "mnt/a/usr/share/applications/boat.desktop")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("[Desktop Entry]\nType=Application\nName=Boat\nExec=boat\n"), 0o644),
		os.MkdirAll(dir+"/mnt/a/etc/xdg/autostart", 0o755), os.WriteFile(dir+"/mnt/a/etc/xdg/autostart/boats.desktop", []byte("[Desktop Entry]\nType=Application\nName=Boats\nExec=boat\n"), 0o644),
		os.WriteFile(filepath.Dir(file)+"/My Boat.desktop", []byte("[Desktop Entry]\nType=Application\nName=My\nExec=boat\n"), 0o644),
		os.WriteFile(filepath.Dir(file)+"/a;b.desktop", []byte("[Desktop Entry]\nType=Application\nName=My\nExec=boat\n"), 0o644),
		os.WriteFile(filepath.Dir(file)+"/bad.desktop", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	root, err := rootfs.Open(rootfs.HostPath(dir + "/mnt/a"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	h := &export.Host{Home: dir, StateDir: dir + "/state", BinDir: dir + "/bin",
		Dirs: mime.Dirs{DataHome: dir + "/data", ConfigHome: dir + "/config"}}
	set, err := export.Open(h, "a", false)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if got := ListApps(h, root, set, false); !slices.Equal(got, []string{"My Boat\tMy", "boat\tBoat"}) {
		t.Errorf("%q", got)
	}
	if got := ListApps(h, root, set, true); got != nil {
		t.Errorf("%q", got)
	}
	plan, err := set.Plan(root, export.Selection{Autostart: []string{"starts"}, Commands: []string{"/usr/bin/row"}, CustomEntries: []export.CustomEntry{{Program: "/usr/bin/sail", Name: "Sail"}}})
	if err == nil {
		_, err = set.Run(plan)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := slices.Concat(ListApps(h, root, set, true), ListAutostart(h, root, set, true), ListCommands(set), ListAutostart(h, root, set, false))
	if want := []string{"sail\tSail", "starts", "row", "boats\tBoats"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSetting(t *testing.T) {
	c, _ := newCompleter(t)
	for _, x := range []struct{ chroot, key, value, want string }{
		{"a", "deny+", "x11,way", "deny+=x11,wayland\tthe Wayland compositor's socket"},
		{"bee", "app.boat.personality", "", "app.boat.personality=linux32\ta 32-bit system app.boat.personality=linux64\ta 64-bit system"},
		{"a", "user", "", "user=ann\tAnn"},
		{"a", "path", "", ""},
	} {
		if got := strings.Join(c.CompleteSetting(x.chroot, x.key, x.value), " "); got != x.want {
			t.Errorf("%+v: %q", x, got)
		}
	}
	if got := c.CompleteSetting("a", "identity", "i"); !slices.Equal(got, []string{"identity=idmap\tfiles carry the account's number; needs root"}) {
		t.Errorf("%q", got)
	}
}
