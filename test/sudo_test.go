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
	"chrun/session"
)

// stage is a host on which the test user can become root by every means. It is a
// mount namespace with its own /etc, so that the machine's is never changed. The
// chroot has the name "ours" in /etc/chrun, and "mine" in the user's configuration.
type stage struct {
	*desk
	home  string
	setup string
}

func openStage(t *testing.T, o headless.Options) *stage {
	t.Helper()
	headless.Root(t)
	u, err := headless.TestUser()
	headless.Must(t, "root", err)
	dir := headless.Dir(t, u)
	o.Home = filepath.Join(dir, "home")
	d := openDesktop(t, o)
	setup := fmt.Sprintf(`set -e
mkdir %[1]s/etc
mount -t tmpfs -o mode=0755 tmpfs %[1]s/etc
mkdir %[1]s/etc/upper %[1]s/etc/work
mount -t overlay -o lowerdir=/etc,upperdir=%[1]s/etc/upper,workdir=%[1]s/etc/work overlay /etc
(umask 0337; echo '%[2]s ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/chrun-test)
echo 'permit nopass %[2]s' >/etc/doas.conf
echo root:0:65536 | tee -a /etc/subuid >>/etc/subgid
sed -i '1i auth sufficient pam_permit.so' /etc/pam.d/su
sed -i 's#^\(%[2]s:.*\):[^:]*:\([^:]*\)$#\1:%[3]s:\2#' /etc/passwd
test -e %[3]s/.config/chrun/chroots/mine.toml || %[4]s %[5]s add mine %[6]s >/dev/null
%[5]s add ours %[6]s >/dev/null
exec "$@"
`, dir, d.User.Name, o.Home, session.Quote(asUser(d.User)...), chrunctlProgram, d.chroot)
	return &stage{d, o.Home, setup}
}

// asUser returns the command line prefix that runs a command as the user.
func asUser(u headless.User) []string {
	return []string{"setpriv", "--reuid", fmt.Sprint(u.UID), "--regid", fmt.Sprint(u.GID), "--init-groups"}
}

// command returns a command that runs words as root on the stage.
func (s *stage) command(ctx context.Context, cwd string, words ...string) *exec.Cmd {
	// Each command makes a new /etc.
	os.Remove(filepath.Join(filepath.Dir(s.home), "etc"))
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", s.setup, "sh"}, words...)...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = s.Env, cwd, 3*time.Second
	return cmd
}

func (s *stage) run(cwd string, words ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := runCommand(s.command(ctx, cwd, words...))
	if ctx.Err() != nil {
		r.err = fmt.Errorf("timeout: %w", r.err)
	}
	return r
}

// way is a way to run chrun, as the user or as root.
type way struct {
	name, cwd string
	words     func(s *stage, line ...string) []string
}

func (s *stage) user(words ...string) []string { return append(asUser(s.User), words...) }

// bareRoot is the command line prefix for root's environment without any variable of
// the user.
var bareRoot = []string{"env", "-i", "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}

func rootWith(variable string) func(*stage, ...string) []string {
	return func(s *stage, line ...string) []string {
		return append(append(bareRoot[:len(bareRoot):len(bareRoot)], variable), line...)
	}
}

var (
	bySudo = way{"sudo", "/tmp", func(s *stage, line ...string) []string { return s.user(append([]string{"sudo", "-n"}, line...)...) }}
	byRoot = []way{
		bySudo,
		{"sudo -i", "/tmp", func(s *stage, line ...string) []string {
			return s.user("sh", "-c", `echo "$1" | sudo -n -i`, "sh", session.Quote(line...))
		}},
		{"doas", "/tmp", func(s *stage, line ...string) []string { return s.user(append([]string{"doas", "-n"}, line...)...) }},
		{"pkexec", "/root", func(s *stage, line ...string) []string {
			return rootWith(fmt.Sprint("PKEXEC_UID=", s.User.UID))(s, line...)
		}},
		{"run0, on a terminal of root", "/root", func(s *stage, line ...string) []string {
			return rootWith(fmt.Sprint("SUDO_UID=", s.User.UID))(s, "script", "-qec", session.Quote(line...), "/dev/null")
		}},
		{"su -, on the user's terminal", "/tmp", func(s *stage, line ...string) []string {
			return s.user("script", "-qec", session.Quote("su", "-", "-c", session.Quote(line...)), "/dev/null")
		}},
		{"su - and its shell", "/tmp", func(s *stage, line ...string) []string {
			return s.user("script", "-qec", session.Quote("su", "-", "--session-command", session.Quote(line...)), "/dev/null")
		}},
	}
	bySSH = way{"ssh", "/", func(s *stage, line ...string) []string {
		return s.user(append([]string{"env", "-i", "HOME=" + s.home, "PATH=/usr/bin:/bin"}, line...)...)
	}}
)

// desktopWorks is a script that prints which services of the desktop work.
const desktopWorks = `
wayland-info 2>/dev/null | grep -q wl_compositor && echo wayland works
xdpyinfo 2>/dev/null | grep -q 'number of screens' && echo x11 works
pactl info 2>/dev/null | grep -q 'Server Name' && echo sound works
pw-cli info 0 2>/dev/null | grep -q PipeWire && echo pipewire works
gdbus call --session -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.GetId >/dev/null && echo gdbus works
dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId >/dev/null && echo dbus-send works
`

var works = []string{"wayland works", "x11 works", "sound works", "pipewire works", "gdbus works", "dbus-send works"}

// wantAll checks that the program succeeded and printed every text.
func (r result) wantAll(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if r.err != nil || !strings.Contains(r.stdout, text) {
			t.Errorf("%v: no %q\nstdout: %.2000s\nstderr: %.2000s", r.err, text, r.stdout, r.stderr)
			return
		}
	}
}

// However the user becomes root, the program runs as the user, with the user's files,
// configured chroots and desktop, although the environment was stripped.
func TestBecomesTheUser(t *testing.T) {
	s := openStage(t, headless.Options{Compositor: "weston", X11: true, Sound: true, Bus: true})
	out := headless.Dir(t, s.User)
	for i, w := range append(byRoot, bySSH) {
		t.Run(w.name, func(t *testing.T) {
			file := filepath.Join(out, fmt.Sprint(i))
			script := `echo "I am $(id -un) $(id -u) $(id -g) $HOME $USER in $CHRUN_CHROOT"; env | grep -c '^SUDO_\|^DOAS_\|^PKEXEC_'; >` + file + desktopWorks
			r := s.run(w.cwd, w.words(s, chrunProgram, "-q", "-c", "mine", "-C", "/", "sh", "-c", script)...)
			r.wantAll(t, append(works, fmt.Sprintf("I am %s %d %d %s %[1]s in mine", s.User.Name, s.User.UID, s.User.GID, s.home))...)
			if uid := owner(t, file); uid != s.User.UID {
				t.Errorf("the program runs with the uid %d, want %d", uid, s.User.UID)
			}
			if strings.Contains(r.stdout+r.stderr, "chrun:") {
				t.Errorf("chrun is not silent: %s%s", r.stdout, r.stderr)
			}
		})
	}
}

// "sudo chrun xclock" opens a window, and xclock runs as the user.
func TestSudoWindow(t *testing.T) {
	s := openStage(t, headless.Options{X11: true})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := s.command(ctx, "/tmp", bySudo.words(s, chrunProgram, "-c", s.chroot, "sh", "-c", "echo $$; exec xclock -title from-sudo")...)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 20*time.Second, "the window", func() bool {
		tree, _ := s.Output("xwininfo", "-root", "-tree")
		return strings.Contains(tree, `"from-sudo"`)
	})
	pid, _, _ := strings.Cut(out.String(), "\n")
	if uid := owner(t, "/proc/"+pid); uid != s.User.UID {
		t.Errorf("xclock (process %s) runs with the uid %d", pid, uid)
	}
	exec.Command("kill", pid).Run()
	cmd.Wait()
}

func owner(t *testing.T, file string) int {
	t.Helper()
	st, err := os.Stat(file)
	if err != nil {
		t.Error(err)
		return -1
	}
	return session.Owner(st)
}
