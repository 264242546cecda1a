package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
	"chrun/session"
)

const legacyTyping = "/proc/sys/dev/tty/legacy_tiocsti"

// allowTyping makes the kernel let programs type into their terminal, as it always
// does before Linux 6.2.
func allowTyping(t *testing.T) {
	t.Helper()
	before, err := os.ReadFile(legacyTyping)
	if err != nil || strings.TrimSpace(string(before)) == "1" {
		return
	}
	if err := os.WriteFile(legacyTyping, []byte("1"), 0); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.WriteFile(legacyTyping, before, 0) })
}

// buildTypist builds the program in testdata/typist in a directory that the user can
// read.
func buildTypist(t *testing.T, u headless.User) (program string) {
	t.Helper()
	program = filepath.Join(headless.Dir(t, u), "typist")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "./testdata/typist")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// typeAs runs the typist by the words of a command line of chrun, from a shell on a
// terminal that then prints what it can read from that.
func typeAs(t *testing.T, cmd func(ctx context.Context, words ...string) *exec.Cmd, words []string) (output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	script := session.Quote(words...) + "\n" + `while read -t 0; do read -r line; echo "the shell reads $line"; done; echo end`
	c := cmd(ctx, "script", "-qec", session.Quote("bash", "-c", script), "/dev/null")
	keys, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	out, err := c.CombinedOutput()
	output = strings.ReplaceAll(string(out), "\r", "")
	if err != nil || !strings.Contains(output, "\nend\n") {
		t.Errorf("%v: %s", err, output)
	}
	return output
}

// refusedTyping matches the typist's output where everything but asking for the
// window's size was refused with EPERM.
var refusedTyping = regexp.MustCompile(`^(([a-z0-9-]+=1\n)+)window-size=0\nfilters: [1-9]\nend\n$`)

// A program that root has started for the user cannot type commands into root's
// terminal, by no system call, under any identity, nor can it paste into it.
func TestTypeIntoRootsTerminal(t *testing.T) {
	s := openStage(t, headless.Options{})
	allowTyping(t)
	program := buildTypist(t, s.User)
	line := func(id identity) []string {
		words := append([]string{chrunProgram, "-q", "-c", id.tree, "--bind", filepath.Dir(program), "-C", "/"}, id.flags...)
		return append(words, program)
	}
	command := func(ctx context.Context, words ...string) *exec.Cmd { return s.command(ctx, "/tmp", words...) }
	list := s.identities()
	for _, id := range append(list, identity{name: "direct", tree: list[0].tree, hostUID: s.User.UID}) {
		t.Run(id.name, func(t *testing.T) {
			words := rootWith("SUDO_UID="+strconv.Itoa(s.User.UID))(s, line(id)...)
			if id.name == "direct" {
				words = append(noNamespaces[:len(noNamespaces):len(noNamespaces)], words...)
			}
			out := typeAs(t, command, words)
			if id.hostUID == 0 { // root may do that
				if !strings.Contains(out, "the shell reads native\n") || !strings.Contains(out, "filters: 0\n") {
					t.Errorf("root: %s", out)
				}
			} else if !refusedTyping.MatchString(out) {
				t.Errorf("not refused:\n%s", out)
			}
		})
		if id.sudo || id.name == "direct" {
			continue
		}
		t.Run(id.name+", started by the user", func(t *testing.T) {
			if out := typeAs(t, command, s.user(line(id)...)); !strings.Contains(out, "the shell reads native\n") || !strings.Contains(out, "filters: 0\n") {
				t.Errorf("filtered: %s", out)
			}
		})
	}
}
