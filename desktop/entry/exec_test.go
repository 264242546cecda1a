package entry

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestFormatExec(t *testing.T) {
	for arg, want := range map[string]string{
		"a b": `"a b"`, `/x y/$z\w`: `"/x y/\\$z\\\\w"`, "100%": "100%%", `say "hi"`: `"say \\"hi\\""`,
		"it's": `"it's"`, "": `""`, "plain": "plain", "a;b": `"a;b"`, "a\nb": `"a\nb"`, "%f": "%%f",
	} {
		got := FormatExec(Literal("p", arg))
		if got != "p "+want {
			t.Errorf("%q: got %s, want p %s", arg, got, want)
		}
		words, _, err := ParseExec(got)
		if err != nil || !slices.Equal(words, Literal("p", arg)) {
			t.Errorf("%q: parsed as %q, %v", arg, words, err)
		}
	}
}

// A shell parses the values like launchers, since the quoting of the specification
// is a subset of its own.
func TestShellParsesExec(t *testing.T) {
	args := []string{"a b", `/x y/$z\w`, `say "hi"`, "it's", "", "a;b", "`id`", `\`, "~", "#x", "a\tb", "größe"}
	for _, a := range args {
		line := unescape(FormatExec(Literal("printf", "[%s]", a)))
		line = strings.ReplaceAll(line, "%%", "%")
		out, err := exec.Command("sh", "-c", line).Output()
		if err != nil || string(out) != "["+a+"]" {
			t.Errorf("%q is written as %s, which sh parses as %q (%v)", a, line, out, err)
		}
	}
}

func TestProgram(t *testing.T) {
	for in, want := range map[string]string{
		"app %U": "app", "/opt/x/app": "/opt/x/app", "env A=b C=d app x": "app", "env": "env", "": "", `"a b"`: "a b",
	} {
		e, err := Parse([]byte(top + "Exec=" + in + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Program(); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestLocalised(t *testing.T) {
	e, err := Parse([]byte("[Desktop Entry]\nName=0\nName[sr]=1\nName[sr_YU]=2\nName[sr@Latn]=3\nName[sr_YU@Latn]=4\nName[de]=5\n"))
	if err != nil {
		t.Fatal(err)
	}
	for locale, want := range map[string]string{
		"sr_YU.UTF-8@Latn": "4", "sr_RS@Latn": "3", "sr@Latn": "3", "sr_YU": "2", "sr_YU.UTF-8": "2", "sr": "1", "sr_YU@Cyrl": "2",
		"de_AT.UTF-8": "5", "C": "0", "": "0", "POSIX": "0", "fr_FR": "0",
	} {
		if got := e.Localised("Name", locale); got != want {
			t.Errorf("%s: got %s, want %s", locale, got, want)
		}
	}
}

func TestShown(t *testing.T) {
	for in, want := range map[string]string{
		"": "GNOME KDE ", "NoDisplay=true\n": "", "Hidden=true\n": "", "OnlyShowIn=GNOME;\n": "GNOME", "NotShowIn=GNOME;\n": "KDE ",
		"OnlyShowIn=\n": "",
	} {
		e, err := Parse([]byte("[Desktop Entry]\n" + in))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []string{"GNOME", "KDE", ""} {
			if got := e.IsShown([]string{d}); got != (strings.Contains(want, d) && (d != "" || strings.HasSuffix(want, " "))) {
				t.Errorf("%q on %q: %v", in, d, got)
			}
		}
	}
}

func FuzzExec(f *testing.F) {
	for _, c := range entries {
		_, v, _ := strings.Cut(c.in, "Exec=")
		v, _, _ = strings.Cut(v, "\n")
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		words, _, err := ParseExec(value)
		if err != nil {
			return
		}
		text := FormatExec(words)
		again, _, err := ParseExec(text)
		if err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q is parsed as %q, which is written as %q and parsed as %q (%v)", value, words, text, again, err)
		}
		if twice := FormatExec(again); twice != text {
			t.Fatalf("%q is written as %q, then as %q", value, text, twice)
		}
		if strings.ContainsAny(text, "\n\r") {
			t.Fatalf("%q has more than one line", text)
		}
	})
}

func FuzzRewrite(f *testing.F) {
	for _, c := range entries {
		if len(c.in) < 4096 {
			f.Add([]byte(c.in))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Parse(data)
		if err != nil {
			return
		}
		if again, err := Parse(e.Bytes()); err != nil || string(again.Bytes()) != string(e.Bytes()) {
			t.Fatalf("%q: %v", e.Bytes(), err)
		}
		e.Localised("Name", "de_AT@x")
		e.IsShown([]string{"GNOME"})
		e.Program()
		out, _, err := e.Rewrite(testOptions())
		if err != nil {
			return
		}
		again, err := Parse(out.Bytes())
		if err != nil || string(again.Bytes()) != string(out.Bytes()) {
			t.Fatalf("%q: %v", out.Bytes(), err)
		}
		for _, g := range again.groups {
			for _, l := range g.lines {
				if l.key == "Exec" && !strings.HasPrefix(l.value, "/usr/bin/chrun -c g --app app ") {
					t.Fatalf("%q runs %q", data, l.value)
				}
			}
		}
	})
}
