package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// A stick that is plugged in later appears in a running program if the host's mounts
// are shared. If they are private, -v prints the command that changes that. The
// mounts are in a mount namespace of the test.
func TestStorage(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{})
	for _, dir := range []string{"/media", filepath.Join(d.chroot, "media")} {
		if _, err := os.Stat(dir); err != nil {
			t.Skip(err)
		}
	}
	dir := headless.Dir(t, d.User)
	for _, propagation := range []string{"shared", "private"} {
		script := fmt.Sprintf(`set -e
mount -t tmpfs tmpfs /media
mount --make-%[6]s /media
mkdir /media/stick /media/mounted
mount -t tmpfs mounted /media/mounted
rm -f %[1]s/ready
setpriv --reuid %[2]d --regid %[3]d --clear-groups %[4]s -v -c %[5]s sh -c '
	mountpoint -q /media/mounted && echo mounted before
	echo >%[1]s/ready
	for n in $(seq 40); do test ! -e /media/stick/file || { echo appears; exit; }; sleep 0.05; done' &
until test -e %[1]s/ready; do sleep 0.05; done
mount -t tmpfs stick /media/stick
echo >/media/stick/file
wait $!
`, dir, d.User.UID, d.User.GID, chrunProgram, d.chroot, propagation)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", script)
		cmd.Env, cmd.Dir = d.Env, "/tmp"
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "mounted before") {
			t.Errorf("%s: %v: %s", propagation, err, out)
		}
		appears, hasNote := strings.Contains(string(out), "appears"), strings.Contains(string(out), "sudo mount --make-shared /media\n")
		// With systemd there is no note, because it shares all mounts.
		if shared := propagation == "shared"; appears != shared || hasNote == shared && !runsSystemd() {
			t.Errorf("%s: %s", propagation, out)
		}
	}
}

// runsSystemd reports whether the host runs systemd, like sd_booted(3).
func runsSystemd() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}
