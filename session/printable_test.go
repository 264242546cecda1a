package session

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

// escape is what a hostile tree puts where it can: it clears the screen, retitles the
// window, forges a line, reorders the rest.
const escape = "\x1b[2J\x1b]0;x\a\nchrun: hint: sudo sh \u009b31m\u202e\xff\x7f"

func TestPrintable(t *testing.T) {
	if got, want := Printable("a"+escape+"é\t"), "a?[2J?]0;x??chrun: hint: sudo sh ?31m???é?"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := PrintableText("a\n\tb\r"); got != "a\n\tb?" {
		t.Errorf("%q", got)
	}
}

// A shell gets each word back, and nothing of it changes a terminal.
func TestQuoteUnprintable(t *testing.T) {
	var all strings.Builder
	for c := 1; c < 256; c++ {
		all.WriteByte(byte(c))
	}
	for _, w := range []string{all.String(), escape, "\n", "a\n\n", "\x1b", "'\x1b'", "é\u009b", "$(x)\x01`x`", "\xff\n", "%s\\\x02"} {
		q := Quote(w)
		out, err := exec.Command("sh", "-c", "printf %s "+q).Output()
		if err != nil || string(out) != w || PrintableText(q) != q || !utf8.ValidString(q) {
			t.Errorf("%q: %q becomes %q, %v", w, q, out, err)
		}
	}
}

// hostilePlan is a plan with text of a hostile tree in every field that is printed.
func hostilePlan(text string) *Plan {
	return &Plan{Name: "n" + text, Tree: HostPath("/t" + text), User: "u" + text, Cwd: Path("/c" + text), Argv: []string{"a" + text}, Programs: []Path{Path("/p" + text)},
		Identity: Identity{Kind: Idmap, Why: "w" + text}, Env: Environ{"A=" + text}, Warnings: []string{"w" + text}, Notes: []string{"n" + text},
		Features:     []FeatureState{{Feature: "f" + text, State: "s" + text}},
		Mounts:       []Mount{{Kind: FromTree, Source: "/s" + text, Dest: Path("/d" + text), Feature: "f" + text, Why: "w" + text}},
		Tmpfs:        []Node{{Path: "l" + text, Kind: Symlink, Target: "t" + text}, {Path: "f" + text, Kind: Regular, Mode: 0o644, Data: []byte(text)}},
		Preparations: []Preparation{{InTree: Path("/i" + text), File: true, Why: "w" + text}, {InHome: HostPath("/h" + text), At: "a", Link: "l" + text, Why: "w" + text}},
		Admissions:   []Admission{{Socket: HostPath("/s" + text), Why: "w" + text}},
		Relays:       []Relay{{Bus: "/b" + text, Path: Path("/p" + text)}, {OpenServer: true, Path: Path("/p" + text)}}}
}

// Text shows a hostile plan in as many lines as a harmless one.
func TestHostileText(t *testing.T) {
	got, want := hostilePlan(escape).Text(), hostilePlan("x").Text()
	lines := strings.Count(got, "\n")
	if PrintableText(got) != got || lines != strings.Count(want, "\n") {
		t.Errorf("%d lines, want %d:\n%q", lines, strings.Count(want, "\n"), got)
	}
}

// Nothing of a hostile plan becomes a command of the script. The shell finds none of
// the commands that chrun wrote, so it would run only what a hostile text adds.
func TestHostileShell(t *testing.T) {
	for _, text := range []string{escape, "\necho BAD\n#", "\n" + scriptEnd + "\necho BAD\n", "'\necho BAD\n'", "$(echo BAD >&2)`echo BAD >&2`"} {
		script := hostilePlan(text).Shell()
		if PrintableText(script) != script {
			t.Errorf("%q: unprintable: %q", text, script)
		}
		safe := strings.NewReplacer(scriptTmpfs+"/", t.TempDir()+"/none/", "PATH=$PATH:/usr/sbin:/sbin", "PATH=/nonexistent").Replace(script)
		_, body, _ := strings.Cut(safe, "\n"+"exec 3<&-\n")
		body, _, _ = strings.Cut(body, "\nexec ")
		for _, part := range []string{safe, body} {
			c := exec.Command("/bin/sh", "-c", "PATH=/nonexistent\n"+part)
			c.Env, c.Dir = []string{}, t.TempDir()
			out, _ := c.CombinedOutput()
			if strings.Contains("\n"+string(out), "\nBAD") {
				t.Errorf("%q: the script runs it: %s\n%s", text, out, script)
			}
		}
	}
}
