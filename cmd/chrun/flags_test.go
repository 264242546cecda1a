package main

import (
	"reflect"
	"strings"
	"testing"

	"chrun/desktop"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]options{
		"":                             {},
		"firefox":                      {argv: []string{"firefox"}},
		"firefox -c x --deny=all -n":   {argv: []string{"firefox", "-c", "x", "--deny=all", "-n"}},
		"-- -c x":                      {argv: []string{"-c", "x"}},
		"- x":                          {argv: []string{"-", "x"}},
		"-c x -- -- y":                 {chroot: "x", argv: []string{"--", "y"}},
		"-cx ls":                       {chroot: "x", argv: []string{"ls"}},
		"-c=x ls":                      {chroot: "x", argv: []string{"ls"}},
		"--chroot x --user u ls":       {chroot: "x", user: "u", argv: []string{"ls"}},
		"--chroot=x=y ls":              {chroot: "x=y", argv: []string{"ls"}},
		"-vqc x":                       {verbose: true, quiet: true, chroot: "x"},
		"-C ~/d -u 5 --home ./h":       {cwd: "~/d", user: "5", home: "./h"},
		"-n":                           {dryRun: "text"},
		"-n shell firefox":             {dryRun: "text", argv: []string{"shell", "firefox"}},
		"--dry-run json":               {dryRun: "text", argv: []string{"json"}},
		"--dry-run=json ls":            {dryRun: "json", argv: []string{"ls"}},
		"-n=shell ls":                  {dryRun: "shell", argv: []string{"ls"}},
		"-vn ls":                       {verbose: true, dryRun: "text", argv: []string{"ls"}},
		"-l":                           {list: true},
		"-V":                           {version: true},
		"-h x":                         {help: true, argv: []string{"x"}},
		"--bind a:b --bind=c":          {bind: []string{"a:b", "c"}},
		"--env A=b,c --env B ls":       {env: []string{"A=b,c", "B"}, argv: []string{"ls"}},
		"--env A= --unset-env B":       {env: []string{"A="}, unsetEnv: []string{"B"}},
		"--deny all --allow x11":       {switches: []toggle{{"all", false}, {"x11", true}}},
		"--allow x11,sound --deny=x11": {switches: []toggle{{"x11", true}, {"sound", true}, {"x11", false}}},
	} {
		got, err := parse(strings.Fields(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		got.typed, got.given = nil, nil
		if len(got.argv) == 0 {
			got.argv = nil
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s:\n%+v\nwant\n%+v", line, *got, want)
		}
	}
}

// Words pass byte for byte.
func TestParseBytes(t *testing.T) {
	words := []string{"prog", "", " ", "a b", "\xff", "--", "-n"}
	if got, err := parse(append([]string{"-v"}, words...)); err != nil || !reflect.DeepEqual(got.argv, words) {
		t.Errorf("%q, %v", got.argv, err)
	}
}

func TestParseErrors(t *testing.T) {
	_, unknown := desktop.Named("x12")
	for line, want := range map[string]string{
		"--nosuch":        "unknown flag --nosuch",
		"-z":              "unknown flag -z",
		"-vz":             "unknown flag -z",
		"-c":              "-c: it wants a value",
		"--chroot":        "--chroot: it wants a value",
		"--chroot= ls":    "--chroot: it wants a value",
		"--home=":         "--home: it wants a value",
		"--verbose=no":    "--verbose: it takes no value",
		"-n=yaml":         `-n: "yaml" is not text, shell or json`,
		"--dry-run=":      `--dry-run: "" is not text, shell or json`,
		"--deny x12":      "--deny: " + unknown.Error(),
		"--allow x11,x12": "--allow: " + unknown.Error(),
		"--deny=":         `--deny: unknown feature ""`,
	} {
		o, err := parse(strings.Fields(line))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want %s", line, o, err, want)
			continue
		}
		text, status := explain(o, err)
		if status != 125 || !strings.HasPrefix(text, "chrun: cannot read the command line: "+want) || !strings.HasSuffix(text, "\nchrun: hint: chrun --help\n") {
			t.Errorf("%s: %d, %s", line, status, text)
		}
	}
	if _, err := parse([]string{"-v", ""}); err == nil || err.Error() != "COMMAND is empty" {
		t.Error(err)
	}
}

// Every flag of the table is in the help, and the other way round.
func TestUsage(t *testing.T) {
	for _, f := range new(options).options() {
		if !strings.Contains(usage, "--"+f.long) {
			t.Errorf("--%s is not in the help", f.long)
		}
		if f.short != 0 && !strings.Contains(usage, "-"+string(f.short)+", --"+f.long) {
			t.Errorf("-%c is not in the help", f.short)
		}
	}
	for _, line := range strings.Split(usage, "\n") {
		if len(line) > 88 {
			t.Errorf("a terminal of 88 columns breaks %q", line)
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ,[=", r) }) {
			if name, ok := strings.CutPrefix(word, "--"); ok && name != "" && name != "]" {
				if _, err := parse([]string{"--" + name + "=text"}); err != nil && strings.Contains(err.Error(), "unknown flag") {
					t.Errorf("the help names %s, which is no flag", word)
				}
			}
		}
	}
}

func TestAllowed(t *testing.T) {
	for _, x := range []struct {
		switches string
		root     bool
		on, off  string
	}{
		{"", false, "wayland x11 pipewire gpu network", ""},
		{"-all", false, "", "wayland x11 pipewire gpu network"},
		{"-all +x11", false, "x11", "wayland gpu"},
		{"+x11 -all", false, "", "x11"},
		{"-sound +alsa", false, "alsa x11", "pipewire pulseaudio jack"},
		{"-x11 +display", false, "x11 wayland", ""},
		{"", true, "network-files network gpu devices shm", "wayland x11 session-bus tmp"},
		{"-gpu", true, "devices", "gpu"},
		{"+x11", true, "", "x11"},
	} {
		var list []toggle
		for _, s := range strings.Fields(x.switches) {
			list = append(list, toggle{s[1:], s[0] == '+'})
		}
		f := allowed(list, x.root, x.root)
		for _, name := range strings.Fields(x.on) {
			if !f(name) {
				t.Errorf("%q (root %v): %s is off", x.switches, x.root, name)
			}
		}
		for _, name := range strings.Fields(x.off) {
			if f(name) {
				t.Errorf("%q (root %v): %s is on", x.switches, x.root, name)
			}
		}
	}
}
