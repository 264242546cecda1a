package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// manager runs a script as the user beside a real manager of the user's, which
// finds what it needs: /run/systemd/system says that systemd runs, and a cgroup
// of each hierarchy is the user's own. $1 is the uid, $2 the gid, $3 the script.
const manager = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user/$1
chown $1:$2 /run/user/$1
chmod 700 /run/user/$1
for d in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
	[ -e $d/cgroup.procs ] || continue
	mkdir -p $d/chrun-test-$$/user
	chown -R $1:$2 $d/chrun-test-$$
	echo $$ >$d/chrun-test-$$/user/cgroup.procs
done
exec setpriv --reuid $1 --regid $2 --clear-groups env -i HOME="$HOME" PATH="$PATH" XDG_RUNTIME_DIR=/run/user/$1 sh -c '
cd /
/lib/systemd/systemd --user >/dev/null 2>&1 &
n=0
until systemctl --user list-units >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 200 ] || exit 9; sleep 0.05; done
'"$3"'
systemctl --user exit
wait'
`

// An exported program is in a scope that is named after its entry, from which
// portals and task bars know it, and the scope goes with it.
func TestScope(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Private: true, Home: makeHome(t, nil)})
	script := fmt.Sprintf(`
%[1]s -v -c %[2]s --app org.x.My-App cat /proc/self/cgroup
echo status $?
n=0
while systemctl --user list-units --all --plain | grep org.x.My; do n=$((n+1)); [ $n -lt 100 ] || exit 8; sleep 0.05; done >/dev/null
echo gone
%[1]s -c %[2]s cat /proc/self/cgroup
`, chrunProgram, d.chroot)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "unshare", "-m", "sh", "-c", manager, "sh", fmt.Sprint(d.User.UID), fmt.Sprint(d.User.GID), script)
	c.Env = append(os.Environ(), "HOME="+d.Getenv("HOME"))
	out, err := c.CombinedOutput()
	t.Cleanup(func() {
		for _, pattern := range []string{"/sys/fs/cgroup/chrun-test-*", "/sys/fs/cgroup/*/chrun-test-*"} {
			groups, _ := filepath.Glob(pattern)
			for _, g := range groups {
				exec.Command("find", g, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").Run()
			}
		}
	})
	text := string(out)
	in, without, ok := strings.Cut(text, "gone\n")
	if err != nil || !ok || !strings.Contains(in, "status 0\n") {
		t.Fatalf("%v\n%s", err, text)
	}
	if !regexp.MustCompile(`/app\.slice/app-chrun-org\.x\.My\\x2dApp-[0-9a-f]{8}\.scope\n`).MatchString(in) {
		t.Errorf("the program is not in the scope:\n%s", in)
	}
	if strings.Contains(in, "no systemd scope") || strings.Contains(without, "app-chrun") {
		t.Error(text)
	}
}

// Without a manager nobody is asked.
func TestNoScope(t *testing.T) {
	d := openDesktop(t, headless.Options{Home: makeHome(t, nil)})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	log := filepath.Join(headless.Dir(t, d.User), "calls")
	c := d.Command(ctx, "strace", "-qq", "-f", "-e", "trace=connect", "-o", log, chrunProgram, "-v", "-c", d.chroot, "--app", "org.x.App", "-C", "/", "true")
	out, err := c.CombinedOutput()
	calls, _ := os.ReadFile(log)
	if err != nil || strings.Contains(string(out), "scope") || strings.Contains(string(calls), "systemd") {
		t.Errorf("%v\n%s%s", err, out, calls)
	}
}
