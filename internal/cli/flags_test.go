package cli

import (
	"reflect"
	"strings"
	"testing"

	"chrun/desktop"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]Flags{
		"":                             {},
		"firefox":                      {Command: []string{"firefox"}},
		"firefox -c x --deny=all -n":   {Command: []string{"firefox", "-c", "x", "--deny=all", "-n"}},
		"-- -c x":                      {Command: []string{"-c", "x"}},
		"- x":                          {Command: []string{"-", "x"}},
		"-c x -- -- y":                 {Chroot: "x", Command: []string{"--", "y"}},
		"-cx ls":                       {Chroot: "x", Command: []string{"ls"}},
		"-c=x ls":                      {Chroot: "x", Command: []string{"ls"}},
		"--chroot x --user u ls":       {Chroot: "x", User: "u", Command: []string{"ls"}},
		"--chroot=x=y ls":              {Chroot: "x=y", Command: []string{"ls"}},
		"-vqc x":                       {Verbose: true, Quiet: true, Chroot: "x"},
		"-C ~/d -u 5 --home ./h":       {Cwd: "~/d", User: "5", Home: "./h"},
		"-n":                           {DryRun: "text"},
		"-n shell firefox":             {DryRun: "text", Command: []string{"shell", "firefox"}},
		"--dry-run json":               {DryRun: "text", Command: []string{"json"}},
		"--dry-run=json ls":            {DryRun: "json", Command: []string{"ls"}},
		"-n=shell ls":                  {DryRun: "shell", Command: []string{"ls"}},
		"-vn ls":                       {Verbose: true, DryRun: "text", Command: []string{"ls"}},
		"-l":                           {List: true},
		"-V":                           {Version: true},
		"-h x":                         {Help: true, Command: []string{"x"}},
		"--bind a:b --bind=c":          {Bind: []string{"a:b", "c"}},
		"--env A=b,c --env B ls":       {Env: []string{"A=b,c", "B"}, Command: []string{"ls"}},
		"--env A= --unset-env B":       {Env: []string{"A="}, UnsetEnv: []string{"B"}},
		"--deny all --allow x11":       {Switches: []Switch{{"all", false}, {"x11", true}}},
		"--allow x11,sound --deny=x11": {Switches: []Switch{{"x11", true}, {"sound", true}, {"x11", false}}},
	} {
		got, err := ParseFlags(strings.Fields(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		got.given = nil
		if len(got.Command) == 0 {
			got.Command = nil
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s:\n%+v\nwant\n%+v", line, *got, want)
		}
	}
}

// Words pass byte for byte.
func TestParseBytes(t *testing.T) {
	words := []string{"prog", "", " ", "a b", "\xff", "--", "-n"}
	if got, err := ParseFlags(append([]string{"-v"}, words...)); err != nil || !reflect.DeepEqual(got.Command, words) {
		t.Errorf("%q, %v", got.Command, err)
	}
}

func TestParseErrors(t *testing.T) {
	_, unknown := desktop.FeaturesNamed("x12")
	for line, want := range map[string]string{
		"--nosuch":        "unknown flag --nosuch",
		"-z":              "unknown flag -z",
		"-vz":             "unknown flag -z",
		"-c":              "-c requires a value",
		"-vc":             "-c requires a value",
		"-c= ls":          "-c requires a value",
		"-vc=":            "-c requires a value",
		"--chroot":        "--chroot requires a value",
		"--chroot= ls":    "--chroot requires a value",
		"--home=":         "--home requires a value",
		"--verbose=no":    "--verbose does not take a value",
		"-n=yaml":         `--dry-run does not accept "yaml": it is one of text, shell, json`,
		"--dry-run=":      `--dry-run does not accept "": it is one of text, shell, json`,
		"--identity=me":   `--identity does not accept "me": it is one of auto, match, remap, subid, idmap, grant`,
		"--app=a/b":       `--app does not accept "a/b": it is not a valid application ID`,
		"--deny x12":      "--deny does not accept this: " + unknown.Error(),
		"--allow x11,x12": "--allow does not accept this: " + unknown.Error(),
		"--deny=":         `--deny does not accept this: unknown feature ""`,
	} {
		flags, err := ParseFlags(strings.Fields(line))
		if err == nil || !strings.HasPrefix(err.Error(), "cannot read the command line: "+want) {
			t.Errorf("%s: %+v, %v; want %s", line, flags, err, want)
			continue
		}
		if text := ErrorText("chrun", err, Hints(err)); !strings.HasSuffix(text, "\nchrun: hint: chrun --help\n") {
			t.Errorf("%s: %s", line, text)
		}
	}
	if _, err := ParseFlags([]string{"-v", ""}); err == nil || err.Error() != "cannot read the command line: COMMAND is empty" {
		t.Error(err)
	}
}

// Flags of other programs, or ones that one would guess, are not needed.
func TestUnknownFlag(t *testing.T) {
	for line, want := range map[string]string{
		"--wayland firefox": "wayland is shared by default: leave --wayland out; to turn it off: --deny wayland",
		"--sound mpv":       "sound is shared by default: leave --sound out; to turn it off: --deny sound",
		"-it bash":          "the terminal is always shared: leave -it out",
		"--rm ls":           "chrun --help",
	} {
		_, err := ParseFlags(strings.Fields(line))
		if got := strings.Join(Hints(err), ""); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// Hints repeat the flags in one canonical form, so that one of them can be left
// out even if it was typed in a group.
func TestWords(t *testing.T) {
	flags, err := ParseFlags(strings.Fields("-vc /mnt/x -u5 -n=json --env A=b --deny x11,sound --home private -- ls -c"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(flags.Words("chroot", "home"), " "), "--verbose --user=5 --dry-run=json --env=A=b --deny=x11,sound"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !flags.Given("chroot") || flags.Given("cwd") {
		t.Error("Given is wrong")
	}
	again, err := ParseFlags(append(flags.Words(), flags.Command...))
	if err != nil || !reflect.DeepEqual(again, flags) {
		t.Errorf("%+v, %v", again, err)
	}
}

// Every flag of the table is in the help, and the other way round.
func TestUsage(t *testing.T) {
	usage := Usage()
	for _, f := range ChrunFlags {
		if !strings.Contains(usage, "--"+f.Name) {
			t.Errorf("--%s is not in the help", f.Name)
		}
		if f.Short != "" && !strings.Contains(usage, "-"+f.Short+", --"+f.Name) {
			t.Errorf("-%s is not in the help", f.Short)
		}
	}
	for _, line := range strings.Split(usage, "\n") {
		if len(line) > 88 {
			t.Errorf("a terminal of 88 columns breaks %q", line)
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" ,[=", r) }) {
			if name, ok := strings.CutPrefix(word, "--"); ok && name != "" && name != "]" {
				if _, err := ParseFlags([]string{"--" + name + "=text"}); err != nil && strings.Contains(err.Error(), "unknown flag") {
					t.Errorf("the help names %s, which is no flag", word)
				}
			}
		}
	}
}
