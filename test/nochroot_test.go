package test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// Without a configured chroot, hints name the chroots in common directories and the
// command to type. There are other hints if the first word is a chroot or a command
// of chrunctl. The test has its own common directories in a mount namespace.
func TestNoChroot(t *testing.T) {
	headless.Root(t)
	u, err := headless.TestUser()
	headless.Must(t, "root", err)
	home := headless.Dir(t, u)
	const places = `set -e
for dir in /mnt /srv /var/lib; do mount -t tmpfs -o mode=0755 tmpfs $dir; done
mkdir -p /mnt/gentoo/usr /mnt/stick/photos /srv/chroot/sid/usr /var/lib/machines/arch/bin
[ ! -d /etc/chrun ] || mount -t tmpfs tmpfs /etc/chrun
`
	const none = "chrun: cannot choose a chroot: no chroot is configured\n"
	for command, want := range map[string]string{
		"firefox": none + "chrun: hint: name its directory: chrun -c /mnt/gentoo firefox\n" +
			"chrun: hint: or give it a name once: chrunctl add gentoo /mnt/gentoo, then: chrun firefox\n",
		"/mnt/gentoo firefox -P": none + "chrun: hint: for the chroot in that directory: chrun -c /mnt/gentoo firefox -P\n",
		"add gentoo /mnt/gentoo": none + "chrun: hint: chrunctl add gentoo /mnt/gentoo\n",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		script := places + fmt.Sprintf("cd /\nexec setpriv --reuid %d --regid %d --clear-groups %s %s", u.UID, u.GID, chrunProgram, command)
		cmd := exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c", script)
		cmd.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin:/usr/sbin:/sbin"}
		var errs strings.Builder
		cmd.Stderr = &errs
		cmd.Run()
		if cmd.ProcessState.ExitCode() != 125 || errs.String() != want {
			t.Errorf("chrun %s: %d\n%swant\n%s", command, cmd.ProcessState.ExitCode(), errs.String(), want)
		}
	}
}
