package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chrun/internal/headless"
)

// Programs inside know a terminal that only the host describes, and still the
// chroot's own terminals. This is also so for root inside.
func TestTerminalOfHost(t *testing.T) {
	tic, err := exec.LookPath("tic")
	headless.Must(t, "desktop", err)
	d := openDesktop(t, headless.Options{})
	dir := headless.Dir(t, d.User)
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("chrun-test|a terminal of this test,\n\tam, cols#77, cup=\\E[%i%p1%d;%p2%dH,\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tic, "-o", filepath.Join(dir, "terminfo"), source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const script = `tput cols; infocmp -1 | grep -c cup=; TERM=xterm tput colors; TERM=foot tput colors
zsh -fc 'zmodload zsh/terminfo && echo $terminfo[cols]'`
	words := []string{"env", "TERM=chrun-test", "TERMINFO=" + filepath.Join(dir, "terminfo"), chrunProgram, "-q", "-c", d.chroot, "-C", "/", "sh", "-c", script}
	const want = "77\n1\n8\n256\n77"
	if out, err := d.Output(words[0], words[1:]...); err != nil || out != want {
		t.Errorf("%v: %q", err, out)
	}
	if os.Getuid() != 0 {
		return
	}
	words = append(words[:len(words)-2:len(words)-2], "-c", script)
	cmd := exec.Command(words[0], append(words[1:4:4], append([]string{"-u", "root"}, words[4:]...)...)...)
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("root: %v: %q", err, out)
	}
}
