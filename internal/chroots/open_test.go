package chroots

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
)

// loadConfig reads the configuration with one chroot, box, in dir.
func loadConfig(t *testing.T, c *session.Caller, dir string) *config.Config {
	t.Helper()
	c.Env = append(c.Env, "XDG_CONFIG_HOME="+dir+"/config")
	for name, tree := range map[string]string{"box": dir + "/home/tree", "gone": "/no/such"} {
		file := filepath.Join(dir, "config/chrun/chroots", name+".toml")
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("path = \""+tree+"\"\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	conf, err := config.Load(cli.ConfigSource(c, "/no/system", nil))
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func TestOpenNamed(t *testing.T) {
	c, dir := newCaller(t)
	conf := loadConfig(t, c, dir)
	root, err := OpenNamed(&session.Caller{}, conf, "box")
	if err != nil || string(root.Dir()) != dir+"/home/tree" {
		t.Fatal(root, err)
	}
	root.Close()
	for name, want := range map[string]string{
		"/mnt/a b": "cannot export '/mnt/a b': menu entries need a name for the chroot | chrunctl add NAME '/mnt/a b'",
		"none":     `cannot find the chroot "none": configured chroots are box, gone | chrunctl list`,
		"gone":     `cannot use "/no/such": no such file or directory | is it mounted? ls /no/such`,
	} {
		_, err := OpenNamed(&session.Caller{}, conf, name)
		if err == nil {
			t.Fatalf("%s was opened", name)
		}
		if got := fmt.Sprint(err, " | ", strings.Join((&Call{}).Hints(err), "; ")); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestOpenExported(t *testing.T) {
	c, dir := newCaller(t)
	conf := loadConfig(t, c, dir)
	for _, x := range []struct {
		name       string
		hasExports bool
		want       Exported
	}{
		{"gone", true, Exported{Note: `cannot use "/no/such": no such file or directory: removing its exports`}},
		{"gone", false, Exported{Note: `cannot use "/no/such": no such file or directory: removing its exports`}},
		{"none", true, Exported{Forgotten: true, Note: "none is no longer configured: removing its exports"}},
	} {
		if got, err := OpenExported(&session.Caller{}, conf, x.name, x.hasExports); err != nil || *got != x.want {
			t.Errorf("%+v: %+v %v", x, got, err)
		}
	}
	e, err := OpenExported(&session.Caller{}, conf, "box", true)
	if err != nil || e.Root == nil || e.Forgotten || e.Note != "" {
		t.Fatal(e, err)
	}
	e.Root.Close()
	var unknown *config.UnknownError
	if _, err := OpenExported(&session.Caller{}, conf, "none", false); !errors.As(err, &unknown) {
		t.Error(err)
	}
}

func TestHints(t *testing.T) {
	call := &Call{Args: []string{"set", "box", "user=a b"}, UID: 1717, System: "/etc/chrun"}
	box := &config.Chroot{Name: "box"}
	for _, x := range []struct {
		err  error
		want string
	}{
		{&config.ExistsError{Name: "box", Existing: box}, "choose another name, or first: chrunctl forget box"},
		{&config.ExistsError{Name: "other", Existing: box}, "chrun -c box"},
		{&config.UnknownError{Name: "x"}, "chrunctl add NAME DIR"},
		{&config.UnknownError{Name: "x", Known: []string{"box"}}, "chrunctl list"},
		{&config.WriteError{File: "/etc/chrun/chroots/box.toml", Err: fs.ErrPermission}, "sudo chrunctl set box 'user=a b'"},
		{&config.WriteError{File: "/home/al/.config/chrun/config.toml", Err: fs.ErrPermission}, ""},
		{&config.WriteError{File: "/etc/chrun/config.toml", Err: fs.ErrExist}, ""},
		{&config.EditError{Key: "path", Op: config.Unset}, "for the whole chroot: chrunctl forget NAME"},
		{&config.EditError{Key: "path", Op: config.Set}, ""},
		{fs.ErrInvalid, ""},
		{cli.WithHint(fs.ErrInvalid, "type this"), "type this"},
		{&cli.UsageError{Command: "chrunctl list", Err: fs.ErrInvalid}, "chrunctl list --help"},
		{&cli.UsageError{Command: "chrunctl", Err: cli.WithHint(fs.ErrInvalid, "chrunctl list")}, "chrunctl list"},
	} {
		if got := strings.Join(call.Hints(x.err), "; "); got != x.want {
			t.Errorf("%v: %q, want %q", x.err, got, x.want)
		}
	}
	doctor := &Call{Args: []string{"doctor", "my dir"}}
	if got := doctor.Hints(&config.UnknownError{Name: "my dir", IsDir: true}); !slices.Equal(got, []string{"for the directory: chrunctl doctor './my dir'"}) {
		t.Errorf("%q", got)
	}
	call.UID = 0
	if got := call.Hints(&config.WriteError{File: "/etc/chrun/config.toml", Err: fs.ErrPermission}); got != nil {
		t.Errorf("root is told to use sudo: %q", got)
	}
}

func TestFormatSetting(t *testing.T) {
	for _, x := range []struct {
		s    config.Setting
		want string
	}{
		{config.Setting{Key: "user", Value: "bob"}, "user=bob"},
		{config.Setting{Key: "bind", Value: "/a b", Element: true}, "'bind+=/a b'"},
		{config.Setting{Key: "env.A", Value: "1\n2"}, `env.A="1\n2"`},
	} {
		if got := FormatSetting(&x.s); got != x.want {
			t.Errorf("%+v: %s", x.s, got)
		}
	}
}
