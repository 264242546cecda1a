package export

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"chrun/session"
)

func TestOptionsCheck(t *testing.T) {
	for _, x := range []struct {
		o    Options
		args string
		want string
	}{
		{Options{}, "box editor", ""},
		{Options{All: true}, "box", ""},
		{Options{Bin: true}, "box ls cp", ""},
		{Options{MakeEntry: true, Name: "Find", Icon: "find"}, "box find", ""},
		{Options{Label: "in box"}, "box editor", ""},
		{Options{Mime: "some"}, "box editor", `--mime does not accept "some": it is one of safe, all`},
		{Options{Label: "a\x01b"}, "box editor", "--label contains control characters"},
		{Options{All: true, Bin: true}, "box", "--all, --bin and --make-entry are mutually exclusive"},
		{Options{All: true, MakeEntry: true}, "box", "--all, --bin and --make-entry are mutually exclusive"},
		{Options{Bin: true, MakeEntry: true}, "box x", "--all, --bin and --make-entry are mutually exclusive"},
		{Options{Icon: "x"}, "box editor", "--name and --icon require --make-entry"},
		{Options{}, "box ", "an argument is empty"},
		{Options{MakeEntry: true}, "box a b", "--make-entry requires one program"},
		{Options{All: true}, "box editor", "--all does not take an APP"},
		{Options{}, "box", "name an APP, or --all: chrunctl apps box"},
	} {
		if x.o.Mime == "" {
			x.o.Mime = "safe"
		}
		got := ""
		if err := x.o.Check(strings.Split(x.args, " ")); err != nil {
			got = err.Error()
		}
		if got != x.want {
			t.Errorf("%+v %s: %q, want %q", x.o, x.args, got, x.want)
		}
	}
}

func TestOptionsAddAndRemove(t *testing.T) {
	c := newChooser(t)
	app, command, entry, all := &Options{}, &Options{Bin: true}, &Options{MakeEntry: true, Name: "Search"}, &Options{All: true}
	if ids, err := app.Add(c, []string{"edit", "viewer"}); err != nil || !slices.Equal(ids.Apps, []string{"org.example.Editor", "viewer"}) {
		t.Errorf("%+v %v", ids, err)
	}
	if ids, err := command.Add(c, []string{"view"}); err != nil || ids.Apps != nil || !slices.Equal(ids.Commands, []string{"view"}) || !slices.Equal(c.Commands, []string{"view"}) {
		t.Errorf("%+v %v %q", ids, err, c.Commands)
	}
	if ids, err := entry.Add(c, []string{"find"}); err != nil || !slices.Equal(ids.Apps, []string{"find"}) || c.CustomEntries[0].Name != "Search" {
		t.Errorf("%+v %v %+v", ids, err, c.CustomEntries)
	}
	if _, err := app.Add(c, []string{"nosuch"}); err == nil {
		t.Error("added a program that does not exist")
	}
	if err := errors.Join(app.Remove(c, []string{"edit"}), command.Remove(c, []string{"view"})); err != nil || len(c.Commands) != 0 || !slices.Equal(c.Apps, []string{"viewer"}) {
		t.Errorf("%v %+v", err, c.Selection)
	}
	if err := command.Remove(c, []string{"view"}); err == nil {
		t.Error("removed a command twice")
	}
	if ids, err := all.Add(c, nil); err != nil || !ids.All || !c.All {
		t.Errorf("%+v %v", ids, err)
	}
	if err := all.Remove(c, nil); err != nil || c.All || len(c.Apps)+len(c.CustomEntries) != 0 {
		t.Errorf("%v %+v", err, c.Selection)
	}
}

// hintOf returns the message and the hint of an error.
func hintOf(err interface {
	error
	Hint() string
}) string {
	return err.Error() + " | " + err.Hint()
}

func TestErrorHints(t *testing.T) {
	denied := &os.PathError{Op: "open", Path: "/home/al/my menu/a.desktop", Err: syscall.EACCES}
	for _, x := range []struct{ got, want string }{
		{hintOf(&RunError{"box", false, fs.ErrInvalid}), "cannot export box: invalid argument | "},
		{hintOf(&RunError{"box", true, fs.ErrInvalid}), "cannot export box: invalid argument | to complete the export: chrunctl sync box"},
		{hintOf(&RunError{"box", true, denied}), "cannot export box: open /home/al/my menu/a.desktop: permission denied | check whether you can write there: ls -ld '/home/al/my menu'"},
		{hintOf(&ToolError{Tool: "update-mime-database", Err: exec.ErrNotFound}), "cannot run update-mime-database: " + exec.ErrNotFound.Error() + " | install shared-mime-info on the host, then run: chrunctl sync"},
		{hintOf(&ToolError{Tool: "update-mime-database", Output: "broken", Err: fs.ErrInvalid}), "cannot run update-mime-database: broken | "},
	} {
		if x.got != x.want {
			t.Errorf("%s\nwant %s", x.got, x.want)
		}
	}
	if !errors.Is(&RunError{"box", true, denied}, fs.ErrPermission) {
		t.Error("a RunError hides its cause")
	}
}

// With sudo the menu would be root's.
func TestCheckMenuOwner(t *testing.T) {
	for _, x := range []struct {
		uid  int
		sudo string
		want bool
	}{{1717, "", true}, {1717, "1000", true}, {0, "", true}, {0, "0", true}, {0, "1000", false}} {
		err := CheckMenuOwner(&session.Caller{UID: x.uid, Env: session.Environ{"SUDO_UID=" + x.sudo}}, []string{"export", "box", "a b"})
		if (err == nil) != x.want {
			t.Errorf("%+v: %v", x, err)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Hint() != "without sudo: chrunctl export box 'a b'") {
			t.Errorf("%+v: %v, hint %q", x, err, e.Hint())
		}
	}
}
