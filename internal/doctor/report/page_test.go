package report

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"chrun/internal/cli"
)

var update = flag.Bool("update", false, "write docs/troubleshooting.md")

// The page is made of the table of faults.
func TestPage(t *testing.T) {
	const file = "../../../docs/troubleshooting.md"
	data, err := os.ReadFile(file)
	if *update {
		data, err = []byte(Page()), os.WriteFile(file, []byte(Page()), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != Page() {
		t.Errorf("%s is not up to date: go test ./internal/doctor/report -run Page -update", file)
	}
}

// Every fault says what a person sees, why, and what to type, in a form that a shell
// and chrun understand.
func TestFaults(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Faults {
		if seen[f.ID] || f.ID == "" {
			t.Errorf("%q is not the ID of one fault", f.ID)
		}
		seen[f.ID] = true
		for _, text := range []string{f.Topic, f.Sees, f.Why} {
			if text == "" || strings.TrimSpace(text) != text {
				t.Errorf("%s: a text is empty or has blanks around it: %q", f.ID, text)
			}
		}
		for _, text := range []string{f.Sees, f.Why} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: no sentence: %q", f.ID, text)
			}
		}
		checkCommand(t, f.ID, f.example())
	}
}

// checkCommand fails if a shell or chrun would not understand a line.
func checkCommand(t *testing.T, id, line string) {
	t.Helper()
	if line == "" {
		return
	}
	if out, err := exec.Command("sh", "-n", "-c", line).CombinedOutput(); err != nil {
		t.Errorf("%s: %s: %s", id, line, out)
	}
	words := strings.Fields(line)
	if words[0] == "sudo" {
		words = words[1:]
	}
	switch words[0] {
	case "chrun":
		if _, err := cli.ParseFlags(words[1:]); err != nil {
			t.Errorf("%s: %s: %v", id, line, err)
		}
	case "chrunctl":
		if _, ok := cli.FindVerb(words[1]); !ok {
			t.Errorf("%s: %s: chrunctl has no such verb", id, line)
		}
	}
	if strings.ContainsAny(line, "{}") {
		t.Errorf("%s: %s has a name in braces", id, line)
	}
}

// Every package that a fault names is known for every distribution.
func TestPackages(t *testing.T) {
	for _, f := range Faults {
		_, rest, ok := strings.Cut(f.Command, "install:")
		name, _, _ := strings.Cut(rest, "}")
		for id := range installers {
			if ok && packages[name][id] == "" {
				t.Errorf("%s: no package of %s for %q", f.ID, id, name)
			}
		}
	}
}

// What a chroot or a server says is printed as text, folded to the width of the
// terminal, each command below its line.
func TestPrint(t *testing.T) {
	r := &Report{Chroot: "deb", Starts: true}
	r.Add(Good("wayland", Found, "wayland-1"), Good("wayland", Answers, "sway answers"),
		Bad("x11", Answers, "x", "the server \x1b[2Jrefuses: "+strings.Repeat("long words ", 12)),
		Absent("jack", Found, "no server"), Notice("fonts", Answers, "f", "few"), Absent("fonts", Found, "none"))
	r.Checks[2].Command = "type\x07 this"
	var b strings.Builder
	r.Print(&b, []string{"x11", "wayland"}, Style{Symbols: true, Columns: 80}, func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "\x1b", "?"), "\x07", "?") })
	text := b.String()
	for _, want := range []string{"One thing does not work in deb: x11.", "✗ x11", "✓ wayland  sway answers", "– jack", "! fonts", "type? this"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, not := range []string{"wayland-1", "none", "\x1b", "\x07"} {
		if strings.Contains(text, not) {
			t.Errorf("%q is in\n%s", not, text)
		}
	}
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.Index(text, "x11") > strings.Index(text, "✓ wayland") {
		t.Error("the order of the rows is not kept")
	}
}
