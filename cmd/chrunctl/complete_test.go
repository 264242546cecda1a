package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/complete"
)

// candidates returns what chrun's completion scripts get, without descriptions.
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
	b.file("mnt/a/usr/bin/firefox", "")
	b.file("mnt/b/bin/boat", "")
	b.run(b.uid, "add", "a", "a")
	b.run(b.uid, "add", "bee", "b")
	if got := b.candidates("-c", "a", "fire"); got != "firefox" {
		t.Errorf("%q", got)
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

// Completion offers no name that a shell could read as more than a word, prints no
// control characters, and never blocks or takes long.
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

	// A PATH with 1000 directories, each with more entries than are read.
	for i := range 20000 {
		b.check(os.Link(b.at("mnt/a/usr/bin/good"), b.at(fmt.Sprintf("mnt/a/usr/bin/good%d", i))))
	}
	var dirs []string
	for i := range 1000 {
		dirs = append(dirs, strings.Repeat("/.", i%100)+"/usr/bin"+strings.Repeat("/", i/100))
	}
	b.file("mnt/a/etc/environment", "PATH="+strings.Join(dirs, ":")+"\n")
	start := time.Now()
	if n := strings.Count(b.candidates("goo"), " "); n < 1000 || n > complete.MaxPrograms {
		t.Errorf("%d programs of 20000", n)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("completion took %v", took)
	}
}
