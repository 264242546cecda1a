package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// candidates are what chrun's scripts are told, without the descriptions.
func (b *box) candidates(words ...string) string {
	b.Helper()
	var list []string
	for line := range strings.Lines(b.run(b.uid, append([]string{"complete-chrun", "--"}, words...)...)) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		list = append(list, word)
	}
	return strings.Join(list, " ")
}

func TestComplete(t *testing.T) {
	b := newBox(t)
	for _, p := range []string{"usr/bin/firefox", "usr/bin/firewall", "usr/local/bin/fire", "usr/bin/-rf", "opt/tool/run"} {
		b.file("mnt/a/"+p, "")
	}
	b.file("mnt/a/etc/passwd", "root:x:0:0::/:\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n")
	b.file("mnt/b/bin/boat", "")
	b.file("mnt/b/etc/login.defs", "ENV_PATH PATH=/bin\n")
	b.run(b.uid, "add", "a", "a")
	b.run(b.uid, "add", "bee", "b")
	b.run(b.uid, "default", "a")
	for line, want := range map[string]string{
		"fire":                  "fire firefox firewall",
		"-- fire":               "fire firefox firewall",
		"-vq --deny gpu firef":  "firefox",
		"-":                     "--chroot -c --user -u --cwd -C --identity --home --bind --env --unset-env --allow --deny --app --dry-run -n --list -l --verbose -v --quiet -q --version -V --help -h",
		"--c":                   "--chroot --cwd",
		"-c ":                   "a bee :directories ",
		"-c b":                  "bee :directories ",
		"-cb":                   "-cbee :directories -c",
		"-vc=b":                 "-vc=bee :directories -vc=",
		"--chroot=b":            "--chroot=bee :directories --chroot=",
		"-c bee b":              "boat",
		"-cbee b":               "boat",
		"--chroot=bee b":        "boat",
		"-c @/mnt/b b":          "boat",
		"-c none b":             "",
		"--deny pri":            "printing",
		"--deny=x11,way":        "--deny=x11,wayland",
		"--allow di":            "display",
		"--home ":               "auto private host temporary :directories ",
		"-n":                    "-n",
		"-n=s":                  "-n=shell",
		"-n fire":               "fire firefox firewall",
		"-u ":                   "ann",
		"-C /op":                "/opt/",
		"-C /nothing/":          ":directories ",
		"--bind /d":             ":files ",
		"--bind=/d:/opt/tool/":  "--bind=/d:/opt/tool/run",
		"--unset-env XDG_CONF":  "XDG_CONFIG_HOME",
		"/opt/":                 "/opt/tool/",
		"/opt/tool/r":           "/opt/tool/run",
		"./x":                   ":files ",
		"firefox ":              ":command 1",
		"-c bee -- boat --flag": ":command 4",
		"--nonsense fire":       "fire firefox firewall",
	} {
		if got := b.candidates(strings.Split(strings.ReplaceAll(line, "@", b.dir), " ")...); got != want {
			t.Errorf("chrun %s\ngot  %q\nwant %q", line, got, want)
		}
	}
	b.script(b.uid, `
> __completeNoDesc set a deny+=x11,way
deny+=x11,wayland
:4
Completion ended with directive: ShellCompDirectiveNoFileComp
> __completeNoDesc set bee app.boat.personality=
app.boat.personality=linux32
app.boat.personality=linux64
:4
Completion ended with directive: ShellCompDirectiveNoFileComp
`)
}

// What a shell could read as more than a word is not offered, a terminal gets
// no control characters, and nothing blocks or takes long.
func TestCompleteHostile(t *testing.T) {
	b := newBox(t)
	b.run(b.uid, "add", "a", "a")
	for _, name := range []string{"good", "$(touch pwned)", "`id`", "a b", "a;b", "a\nb", "a\tb", "\x1b]0;x\a", "a\xffb", "'", "\"", "*", "~root", "!1", "{a,b}", ":command 0"} {
		b.file("mnt/a/usr/bin/"+name, "")
	}
	b.file("mnt/a/etc/passwd", "ann:x:1000:1000:An\x1b[31mn\xff:/:/bin/sh\n$(id):x:1001:1001::/:/bin/sh\n")
	b.check(os.MkdirAll(b.at("mnt/a/usr/local"), 0o755))
	b.check(syscall.Mkfifo(b.at("mnt/a/usr/local/bin"), 0o666))
	if got := b.candidates(""); got != "good" {
		t.Errorf("programs: %q", got)
	}
	if got := b.candidates("/usr/bin/"); got != "/usr/bin/good" {
		t.Errorf("files: %q", got)
	}
	if got := b.run(b.uid, "complete-chrun", "--", "-u", ""); got != "ann\tAn [31mn?\n" {
		t.Errorf("accounts: %q", got)
	}
	b.check(errors.Join(os.Remove(b.at("mnt/a/etc/passwd")), syscall.Mkfifo(b.at("mnt/a/etc/passwd"), 0o666)))
	if got := b.candidates("-u", ""); got != "" {
		t.Errorf("accounts of a FIFO: %q", got)
	}

	// Every directory of a PATH without end is as large as one may be.
	for i := range 20000 {
		b.check(os.Link(b.at("mnt/a/usr/bin/good"), b.at(fmt.Sprintf("mnt/a/usr/bin/good%d", i))))
	}
	var dirs []string
	for i := range 1000 {
		dirs = append(dirs, strings.Repeat("/.", i%100)+"/usr/bin"+strings.Repeat("/", i/100))
	}
	b.file("mnt/a/etc/environment", "PATH="+strings.Join(dirs, ":")+"\n")
	start := time.Now()
	if n := strings.Count(b.candidates("goo"), " "); n < 1000 || n > maxPrograms {
		t.Errorf("%d programs of 20000", n)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
