package test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"chrun/internal/headless"
)

// A process that forks and exits all the time has another number whenever it is looked
// at. Nevertheless kill ends it.
func TestKillForking(t *testing.T) {
	headless.Root(t)
	d := openSudo(t, headless.Options{})
	d.chroot = mountRenamedTree(t, d.User, "forking")
	alive := filepath.Join(headless.Dir(t, d.User), "alive")
	const script = `$SIG{TERM} = "IGNORE"; my $end = time + 40;
		while (time < $end) { exit if fork; open my $f, ">", $ARGV[0]; select undef, undef, undef, 0.002 }`
	if err := d.start(t.Context(), both, nil, "perl", "-e", script, alive).Run(); err != nil {
		t.Fatal(err)
	}
	isAlive := func() bool {
		os.Remove(alive)
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(alive); err == nil {
				return true
			}
		}
		return false
	}
	if !isAlive() {
		t.Fatal("it does not run")
	}
	out, err := d.asRoot(t.Context(), chrunctlProgram, "kill", d.chroot).CombinedOutput()
	if isAlive() {
		t.Errorf("it is alive after: %s, %v", out, err)
	}
}
