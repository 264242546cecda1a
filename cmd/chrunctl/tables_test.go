package main

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"chrun/internal/cli"
	"chrun/session/config"
)

// newTestCommand returns a chrunctl with an empty configuration, and its output.
func newTestCommand(t *testing.T) (c *command, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	home := t.TempDir()
	caller := cli.NewCaller(os.Getuid(), os.Getgid(), []string{"XDG_CONFIG_HOME=" + home, "HOME=" + home})
	return newCommand(caller, home+"/system", out, out), out
}

// The commands of cobra are those of the table, with its words.
func TestVerbs(t *testing.T) {
	c, _ := newTestCommand(t)
	makers := c.makers()
	var want []string
	for _, v := range cli.Verbs {
		want = append(want, strings.TrimSpace(v.Name+" "+v.Args)+" | "+v.Short)
		if makers[v.Name] == nil {
			t.Fatalf("%s is in the table, but is not a command", v.Name)
		}
	}
	if len(makers) != len(cli.Verbs) {
		t.Errorf("%d commands, %d in the table", len(makers), len(cli.Verbs))
	}
	var got []string
	for _, cmd := range c.newRoot().Commands() {
		if !cmd.Hidden && cmd.Name() != "help" && cmd.Name() != "completion" {
			got = append(got, cmd.Use+" | "+cmd.Short)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	for word := range cli.OtherVerbs() {
		if makers[word] != nil {
			t.Errorf("%s is a command, but has a hint for people who know it from other programs", word)
		}
	}
}

// The keys of the table are those that config accepts.
func TestKeys(t *testing.T) {
	_, err := config.ParseEdit("no-such-key=")
	var edit *config.EditError
	if !errors.As(err, &edit) {
		t.Fatal(err)
	}
	var got []string
	for _, k := range cli.Keys {
		got = append(got, k.Name)
	}
	want := slices.Sorted(slices.Values(edit.Allowed))
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// A mistake on the command line has status 2, another error 1, and each has its
// hint.
func TestStatus(t *testing.T) {
	for _, x := range []struct {
		args   string
		status int
		want   string
	}{
		{"list", 0, "chrunctl: no chroot is configured: chrunctl add NAME DIR\n"},
		{"list extra", 2, "chrunctl: cannot read the command line: the form is chrunctl list\nchrunctl: hint: chrunctl list --help\n"},
		{"ls", 2, "chrunctl: cannot read the command line: unknown command \"ls\"\nchrunctl: hint: chrunctl list\n"},
		{"show a", 1, "chrunctl: cannot find the chroot \"a\": no chroot is configured\nchrunctl: hint: chrunctl add NAME DIR\n"},
		{"export a --all x", 2, "chrunctl: cannot read the command line: --all does not take an APP\nchrunctl: hint: chrunctl export --help\n"},
		{"export /a x", 1, "chrunctl: cannot export /a: menu entries need a name for the chroot\nchrunctl: hint: chrunctl add NAME /a\n"},
		{"__complete set a h", 0, "home="},
	} {
		c, out := newTestCommand(t)
		status := c.run(strings.Split(x.args, " "))
		if got := out.String(); status != x.status || got != x.want && !(x.args[0] == '_' && strings.Contains(got, x.want)) {
			t.Errorf("%s: %d\n%swant %d\n%s", x.args, status, got, x.status, x.want)
		}
	}
}
