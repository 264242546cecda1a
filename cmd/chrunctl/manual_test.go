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
	"chrun/internal/cli"
	"chrun/internal/headless"
	"chrun/session/config"
)

// renderPages returns the text of the manual pages by file name.
func renderPages(t *testing.T) map[string]string {
	t.Helper()
	_, err := exec.LookPath("man")
	headless.Must(t, "desktop", err)
	text := map[string]string{}
	files, _ := filepath.Glob("../../dist/man/*")
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

// The pages name every flag, command, key and feature, and man(1) prints no
// warnings for them.
func TestManual(t *testing.T) {
	text := renderPages(t)
	has := func(page, word string) {
		t.Helper()
		if !regexp.MustCompile(`(?m)(^|[\s|(\["])` + regexp.QuoteMeta(word) + `($|[\s,.;:=|)\[\]<])`).MatchString(text[page]) {
			t.Errorf("%s does not name %s", page, word)
		}
	}
	for _, f := range cli.ChrunFlags {
		if f.Short != "" {
			has("chrun.1", "-"+f.Short)
		}
		has("chrun.1", "--"+f.Name)
	}
	for _, f := range desktop.Features {
		has("chrun.1", f.Name)
	}
	for _, g := range desktop.Groups() {
		has("chrun.1", g)
	}
	root := newCommand(cli.NewCaller(os.Getuid(), os.Getgid(), nil), "/etc/chrun", nil, nil).newRoot()
	root.InitDefaultHelpCmd()
	for _, cmd := range append(root.Commands(), root) {
		if cmd.Hidden {
			continue
		}
		has("chrunctl.1", cmd.Name())
		cmd.InitDefaultHelpFlag()
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				has("chrunctl.1", "--"+f.Name)
			}
		})
	}
	_, err := config.ParseEdit("no-such-key=")
	var edit *config.EditError
	if !errors.As(err, &edit) || len(edit.Allowed) == 0 {
		t.Fatalf("the error lists no keys: %v", err)
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
