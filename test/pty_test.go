package test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// openTerminals opens a pseudoterminal as openpty(3) does, and then as
// posix_openpt(3) and ptsname(3) do.
const openTerminals = `script -qec 'test -t 0 && tty >/dev/null && echo script' /dev/null
zsh -fc 'zmodload zsh/zpty; zpty p "test -t 0 && echo zpty"; zpty -r p line; print -rn -- $line'`

// Programs can open pseudoterminals, whatever is denied, and whether or not the
// host lets its users open /dev/pts/ptmx.
func TestPseudoterminals(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{})
	const newPts = "mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts /dev/pts && "
	for _, host := range []struct{ name, setup string }{
		{"ptmx of its own", ""},
		{"ptmx for all", newPts},
		{"ptmx from pts", newPts + "mount --bind /dev/pts/ptmx /dev/ptmx && "},
	} {
		for _, deny := range []string{"gpu", "devices", "shm", "gpu,devices", "gpu,shm", "devices,shm", "gpu,devices,shm", "all"} {
			for _, who := range []string{"user", "root"} {
				words := append(asUser(d.User), chrunProgram)
				if who == "root" {
					words = []string{chrunProgram, "-u", "root"}
				}
				words = append(words, "-q", "-c", d.chroot, "-C", "/", "--deny="+deny, "sh", "-c", openTerminals)
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "sh", "-c", host.setup + `exec "$@"`, "sh"}, words...)...)
				cmd.Env = d.Env
				out, err := cmd.CombinedOutput()
				cancel()
				if got := strings.ReplaceAll(string(out), "\r", ""); err != nil || got != "script\nzpty\n" {
					t.Errorf("%s, %s, --deny=%s: %v: %s", host.name, who, deny, err, got)
				}
			}
		}
	}
}

// A terminal emulator works without devices, as in an example of chrun(1).
func TestTerminalEmulator(t *testing.T) {
	d := openDesktop(t, headless.Options{Compositor: "sway"})
	for _, flags := range [][]string{{"--deny=gpu"}, {"--deny=devices"}, {"--deny=shm"}, {"--deny=all", "--allow=display", "-C", "/"}} {
		// foot ends with the status of its command, which is 42 only on a terminal.
		if r := d.chrun(both, flags, "foot", "-e", "sh", "-c", "test -t 0 && tty && exit 42"); r.code != 42 {
			t.Errorf("%v: status %d: %s", flags, r.code, r.stderr)
		}
	}
}
