package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"chrun/desktop"
	"chrun/internal/headless"
	"chrun/session/config"
)

// pages are the manual pages as they are read.
func pages(t *testing.T) map[string]string {
	t.Helper()
	_, err := exec.LookPath("man")
	headless.Must(t, "desktop", err)
	text := map[string]string{}
	files, _ := filepath.Glob("../../man/*")
	for _, file := range files {
		var errs strings.Builder
		cmd := exec.Command("man", "--warnings", "--encoding=UTF-8", "--nh", "--nj", "--local-file", file)
		cmd.Env = append(os.Environ(), "MANWIDTH=200", "LC_ALL=C.UTF-8", "MANPAGER=cat")
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil || errs.Len() > 0 || len(out) == 0 {
			t.Errorf("man %s: %v: %s", file, err, &errs)
		}
		text[filepath.Base(file)] = string(out)
	}
	if len(text) != 3 {
		t.Fatalf("pages: %d", len(text))
	}
	return text
}

// usageOfChrun is what chrun --help prints.
func usageOfChrun(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../chrun/flags.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "const usage = `")
	text, _, ok := strings.Cut(text, "`")
	if !ok {
		t.Fatal("no usage text")
	}
	return text
}

var flagLine = regexp.MustCompile(`(?m)^  (?:-(\w), )? *--([a-z-]+)(?: ([A-Z][^ ]*)|\[=(\S+)\])?`)

// The pages name all that there is, and man(1) has nothing to say of them.
func TestManual(t *testing.T) {
	text := pages(t)
	has := func(page, word string) {
		t.Helper()
		if !regexp.MustCompile(`(?m)(^|[\s|(\["])` + regexp.QuoteMeta(word) + `($|[\s,.;:=|)\[\]<])`).MatchString(text[page]) {
			t.Errorf("%s does not name %s", page, word)
		}
	}
	for _, f := range flagLine.FindAllStringSubmatch(usageOfChrun(t), -1) {
		if f[1] != "" {
			has("chrun.1", "-"+f[1])
		}
		has("chrun.1", "--"+f[2])
	}
	for _, f := range desktop.Features {
		has("chrun.1", f.Name)
	}
	for _, g := range desktop.Groups() {
		has("chrun.1", g)
	}
	root := newCommand(os.Getuid(), nil, "/etc/chrun", nil, nil).cobra()
	root.InitDefaultHelpCmd()
	for _, cmd := range append(root.Commands(), root) {
		if cmd.Hidden {
			continue
		}
		has("chrunctl.1", cmd.Name())
		cmd.InitDefaultHelpFlag()
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { has("chrunctl.1", "--"+f.Name) })
	}
	_, err := config.ParseEdit("no-such-key=")
	var edit *config.EditError
	if !errors.As(err, &edit) || len(edit.Allowed) == 0 {
		t.Fatalf("no list of keys in %v", err)
	}
	for _, key := range edit.Allowed {
		has("chrunctl.1", key)
		name, _, _ := strings.Cut(key, ".")
		if name == "app" {
			name = "app.COMMAND"
		}
		has("chrun.toml.5", name)
	}
	for page := range text {
		for _, section := range []string{"NAME", "SYNOPSIS", "EXAMPLES", "SEE ALSO"} {
			has(page, section)
		}
	}
	for _, section := range []string{"FILES", "ENVIRONMENT", "EXIT STATUS"} {
		has("chrun.1", section)
		has("chrunctl.1", section)
	}
}

// What completion knows of chrun's flags is what chrun --help says.
func TestFlagsOfChrun(t *testing.T) {
	found := flagLine.FindAllStringSubmatch(usageOfChrun(t), -1)
	if len(found) != len(chrunFlags) {
		t.Errorf("%d flags in the usage, %d in completion", len(found), len(chrunFlags))
	}
	for i, f := range found {
		if i >= len(chrunFlags) {
			break
		}
		got := chrunFlags[i]
		if got.long != f[2] || got.short != f[1] || (got.value != nil) != (f[3]+f[4] != "") || got.optional != (f[4] != "") {
			t.Errorf("--%s -%s %s%s is %+v", f[2], f[1], f[3], f[4], got)
		}
	}
}
