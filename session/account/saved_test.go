package account

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// Root that has taken a user's rights asks getent as root, and also ends it as root
// if it does not answer. Afterwards it has the user's rights again.
func TestGetentAsSavedRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can take a user's rights")
	}
	const user = 61183
	answers := makeHost(t, map[string]string{"usr/bin/getent": "#!/bin/sh\necho u$(id -u):x:$(id -ru):0:::"})
	hangs := makeHost(t, map[string]string{"usr/bin/getent": "#!/bin/sh\nexec sleep 60"})
	for _, host := range []rootfs.HostPath{answers, hangs} {
		if err := os.Chmod(filepath.Dir(string(host)), 0o755); err != nil { // the user can see the program
			t.Fatal(err)
		}
	}
	if err := unix.Setresuid(user, user, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Setresuid(0, 0, 0)
	if got, want := string(getent("passwd", "u", answers, 20*time.Second)), "u0:x:0:0:::\n"; got != want {
		t.Errorf("getent prints %q, want %q", got, want)
	}
	begin := time.Now()
	if got := getent("passwd", "u", hangs, 100*time.Millisecond); got != nil {
		t.Errorf("got %q", got)
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("getent ended after %v", d)
	}
	uid, euid, suid := unix.Getresuid()
	if got, want := fmt.Sprint(uid, euid, suid), fmt.Sprint(user, user, 0); got != want {
		t.Errorf("the rights are %s, want %s", got, want)
	}
}
