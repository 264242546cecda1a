package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// wantRefusal checks that chrun failed before it started the program, and printed
// exactly lines.
func (r result) wantRefusal(t *testing.T, lines ...string) {
	t.Helper()
	if want := strings.Join(lines, "\n"); r.code != 125 || r.stderr != want || r.stdout != "" {
		t.Errorf("status %d, stdout %q\nstderr: %s\nwant:   %s", r.code, r.stdout, r.stderr, want)
	}
}

// Root in the chroot has the user's desktop.
func TestSudoRoot(t *testing.T) {
	s := openStage(t, headless.Options{Compositor: "weston", X11: true, Sound: true, Bus: true})
	script := `echo "I am $(id -un) $(id -u) $HOME"` + desktopWorks
	for _, w := range byRoot {
		t.Run(w.name, func(t *testing.T) {
			r := s.run(w.cwd, w.words(s, chrunProgram, "-q", "-c", "ours", "-u", "root", "-C", "/", "sh", "-c", script)...)
			r.wantAll(t, append(works, "I am root 0 /root")...)
		})
	}
	t.Run("without a user", func(t *testing.T) {
		// setsid, because the owner of a terminal would be taken for the user.
		words := append(bareRoot[:len(bareRoot):len(bareRoot)], "setsid", "-w", chrunProgram, "-c", "ours", "-C", "/", "sh", "-c", "id -u; echo ${DISPLAY-no} ${WAYLAND_DISPLAY-no}; exec </dev/null")
		r := s.run("/root", words...)
		if r.err != nil || r.stdout != "0\nno no" || r.stderr != "chrun: entering as root, without a desktop" {
			t.Errorf("%+v", r)
		}
	})
}

// The cookie of the X server cannot be found, but its access list admits the user.
// Root inside is added to the list while the program runs.
func TestSudoRootHostAccess(t *testing.T) {
	s := openStage(t, headless.Options{X11: true})
	display := s.Getenv("DISPLAY")
	if out, err := s.Output("xhost", "+SI:localuser:"+s.User.Name); err != nil {
		t.Fatal(out, err)
	}
	for _, file := range []string{"xauth", "xvfb.auth"} {
		if err := os.Rename(filepath.Join(s.RuntimeDir, file), filepath.Join(s.RuntimeDir, "gone-"+file)); err != nil {
			t.Fatal(err)
		}
	}
	s.Env = without("XAUTHORITY")(s.Env)
	accessList := func() string {
		out, err := s.Output("xhost")
		if err != nil {
			t.Fatal(out, err)
		}
		return out
	}
	before := accessList()
	user := s.run("/tmp", bySudo.words(s, chrunProgram, "-c", "ours", "xdpyinfo")...)
	user.wantAll(t, "name of display:    "+display)
	root := s.run("/tmp", bySudo.words(s, chrunProgram, "-c", "ours", "-u", "root", "xdpyinfo")...)
	root.wantAll(t, "name of display:    "+display)
	waitFor(t, 5*time.Second, "the access list is restored", func() bool { return accessList() == before })
}

// Root does not mount a chroot that only the user's configuration names. Hints use
// only names that root's configuration has.
func TestSudoRefuses(t *testing.T) {
	s := openStage(t, headless.Options{})
	for _, flag := range []string{"-uroot", "--identity=grant", "--identity=idmap"} {
		for _, w := range byRoot[:2] {
			s.run(w.cwd, w.words(s, chrunProgram, "-c", "mine", flag, "true")...).wantRefusal(t,
				fmt.Sprintf(`chrun: cannot mount "mine" as root: only a file of %s's names it`, s.User.Name),
				"chrun: hint: sudo chrunctl add mine "+s.chroot+", or name the directory: -c "+s.chroot)
		}
	}
	for _, c := range []struct {
		chroot, place string
	}{{"ours", "ours"}, {"mine", s.chroot}, {s.chroot, s.chroot}} {
		name := c.chroot
		if name == s.chroot {
			name = "mine" // the user's name for it
		}
		user := func(words ...string) result {
			return s.run("/tmp", s.user(append([]string{chrunProgram, "-c", c.chroot}, words...)...)...)
		}
		user("--deny", "gpu", "-u", "root", "apt-get", "install", "x y").wantRefusal(t,
			fmt.Sprintf("chrun: cannot be root in %q: %s belongs to root", name, s.chroot),
			"chrun: hint: sudo chrun -c "+c.place+" -u root --deny=gpu apt-get install 'x y'")
		for command, rest := range map[string]string{"sudo apt-get update": " apt-get update", "doas id": " id", "pkexec id": " id", "su -c id": "", "su": ""} {
			words := strings.Fields(command)
			user(words...).wantRefusal(t,
				fmt.Sprintf("chrun: cannot run %q: no program can become root in this launch", words[0]),
				"chrun: hint: sudo chrun -c "+c.place+" -u root"+rest)
		}
	}
}

// noNamespaces is the command line prefix that runs a command in a user namespace in
// which all IDs are mapped, and which allows no further user namespaces.
var noNamespaces = []string{"unshare", "--user", "--map-users", "0,0,65536", "--map-groups", "0,0,65536", "--mount", "--propagation", "private",
	"sh", "-ec", `echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"`, "sh"}

// Without user namespaces a hint names the command that works with sudo: root mounts,
// and the program runs as the user and cannot become root.
func TestDirect(t *testing.T) {
	s := openStage(t, headless.Options{Compositor: "weston", X11: true, Sound: true, Bus: true})
	run := func(words []string) result {
		return s.run("/tmp", append(noNamespaces[:len(noNamespaces):len(noNamespaces)], words...)...)
	}
	r := run(s.user(chrunProgram, "-q", "-c", s.chroot, "--deny", "gpu", "id", "-u"))
	if want := "chrun: hint: or as root, who needs no user namespaces: sudo chrun -q -c " + s.chroot + " --deny gpu id -u"; r.code != 125 ||
		!strings.Contains(r.stderr, "chrun: cannot make a user namespace: ") || !strings.HasSuffix(r.stderr, want) {
		t.Errorf("%+v\nwant %s", r, want)
	}
	script := `echo "I am $(id -un) $(id -u) $HOME $(readlink /proc/self/ns/user)"
grep -E '^(NoNewPrivs|CapEff|CapPrm|CapBnd|Uid|Groups):' /proc/self/status | tr '\t' ' '
for p in / /etc /usr /bin /root /proc/sys/kernel /run /var /opt /sys; do touch $p/x 2>/dev/null && echo "writable $p"; done
echo 1 2>/dev/null >/proc/sys/vm/drop_caches && echo writable proc
mount -t tmpfs x /mnt 2>/dev/null && echo mounts
sudo -n true 2>/dev/null && echo becomes root
touch ~/mine && echo home is mine` + desktopWorks
	r = run(bySudo.words(s, chrunProgram, "-q", "-c", s.chroot, "-C", "/", "--home=temporary", "sh", "-c", script))
	r.wantAll(t, append(works, fmt.Sprintf("I am %s %d %s", s.User.Name, s.User.UID, s.home), "home is mine", "NoNewPrivs: 1", "CapEff: 0000000000000000", "CapPrm: 0000000000000000")...)
	for _, bad := range []string{"writable", "mounts", "becomes root"} {
		if strings.Contains(r.stdout, bad) {
			t.Errorf("%s: %s", bad, r.stdout)
		}
	}
	r = run(bySudo.words(s, chrunProgram, "-q", "-c", s.chroot, "--bind", s.home+":/etc", "true"))
	if r.code != 125 || !strings.Contains(r.stderr, "cannot share anything on /etc: root mounts in this launch") {
		t.Errorf("a bind on /etc is not refused: %+v", r)
	}
	r = run(bySudo.words(s, chrunProgram, "-n", "-c", s.chroot, "true"))
	r.wantAll(t, "identity  direct: uid "+fmt.Sprint(s.User.UID))
}
