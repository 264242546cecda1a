package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
)

// wantError checks that chrun refused the launch with an error that contains text.
func (r result) wantError(t *testing.T, name, text string) {
	t.Helper()
	if r.err == nil || !strings.Contains(r.stderr, ": cannot ") || !strings.Contains(r.stderr, text) {
		t.Errorf("%s: not refused: %v\nstdout: %s\nstderr: %s\nwant %q", name, r.err, r.stdout, r.stderr, text)
	}
}

var grantFlags = []string{"--identity=grant", "-u", "user", "-C", "/"}

// When root mounts, files that the user names are not opened with root's rights,
// and nothing can be mounted over account files or system directories.
func TestRootMounts(t *testing.T) {
	d := openSudo(t, headless.Options{})
	secret := filepath.Join(d.dir, "secret") // belongs to root
	writeFile(t, filepath.Join(secret, "file"), "a secret of root")
	if err := os.Chmod(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	evil := filepath.Join(d.dir, "evil") // belongs to the user
	writeFile(t, filepath.Join(evil, "passwd"), "root::0:0::/:/bin/sh\n")
	writeFile(t, filepath.Join(d.dir, "upper/opt/.keep"), "")
	for name, target := range map[string]string{"e": "/etc", "u": "../usr/bin", "l": "/lib", "r": "/run/chrun"} {
		if err := os.Symlink(target, filepath.Join(d.chroot, "opt", name)); err != nil {
			t.Fatal(err)
		}
	}
	root := []string{"-u", "root"}
	for _, identity := range [][]string{grantFlags, root} {
		for _, dest := range []string{"/etc", "/etc/passwd", "/usr", "/usr/bin", "/usr/local/bin", "/bin", "/sbin", "/lib", "/lib64/x", "/run/chrun", "/dev/x", "/proc/1",
			"/opt/e", "/opt/e/passwd", "/opt/u", "/opt/l/x", "/opt/r", "/opt/../etc", "/"} {
			source := evil
			if strings.HasSuffix(dest, "passwd") {
				source = filepath.Join(evil, "passwd")
			}
			d.sudo(nil, append([]string{"--bind", source + ":" + dest}, identity...), "true").wantError(t, fmt.Sprint(identity, dest), "")
		}
		for _, source := range []string{filepath.Join(secret, "file"), "/proc/1/root/etc/shadow"} {
			r := d.sudo(nil, append([]string{"--bind", source + ":/mnt/x"}, identity...), "sh", "-c", "cat /mnt/x /mnt/x/file")
			if strings.Contains(r.stdout, "secret of root") || strings.Contains(r.stdout, "root:") || r.err == nil {
				t.Errorf("%v %s: %s", identity, source, r.stdout)
			}
			r.wantError(t, source, "permission denied")
		}
	}
	// A directory that only root may list stays closed inside.
	r := d.sudo(nil, append([]string{"--bind", secret + ":/mnt/x"}, grantFlags...), "cat", "/mnt/x/file")
	if strings.Contains(r.stdout, "secret of root") {
		t.Error("the program reads a file of root")
	}
}

// A program that root started for another user gains no privileges through setuid
// files of the tree.
func TestNoNewPrivileges(t *testing.T) {
	d := openSudo(t, headless.Options{})
	for _, p := range []string{"id", "sh"} {
		data, err := os.ReadFile(filepath.Join(d.chroot, "bin", p))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"upper/opt", "evil"} {
			file := filepath.Join(d.dir, dir, p)
			writeFile(t, file, string(data))
			if err := os.Chmod(file, 0o4755|os.ModeSetuid); err != nil {
				t.Fatal(err)
			}
		}
	}
	flags := append([]string{"--bind", filepath.Join(d.dir, "evil") + ":/mnt/evil"}, grantFlags...)
	r := d.sudo(nil, flags, "sh", "-c", "/opt/id -u; /mnt/evil/id -u; grep NoNewPrivs /proc/self/status; grep CapEff /proc/self/status; grep -E ' /mnt/evil ' /proc/self/mountinfo; id -G")
	uid := strconv.Itoa(stranger)
	if !strings.HasPrefix(r.stdout, uid+"\n"+uid+"\nNoNewPrivs:\t1\nCapEff:\t0000000000000000\n") || !strings.Contains(r.stdout, "nosuid,nodev") || !strings.HasSuffix(r.stdout, "\n"+uid) {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
}

// Accounts in the tree give nobody a group or uid of the host.
func TestTreeAccounts(t *testing.T) {
	d := openSudo(t, headless.Options{})
	u := d.User
	writeFile(t, filepath.Join(d.dir, "two/x"), "")
	other := filepath.Join(d.dir, "two")
	hostile := fmt.Sprintf("%s:x:%d:6::/:/bin/sh\nalice:x:60998:6::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\ngame:x:5:60::/:/bin/sh\n", u.Name, u.UID)
	lower := os.Getenv("CHRUN_TEST_CHROOT")
	tree := mountStrangerTree(t, other, lower, hostile)
	group, err := os.ReadFile(filepath.Join(other, "upper/etc/group"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(other, "upper/etc/group"), strings.Replace(string(group), "disk:x:6:", "disk:x:6:"+u.Name+",alice,user", 1))
	d.chroot = tree
	groups := `sed -n 's/^\(Uid\|Gid\|Groups\):\s*//p' /proc/self/status`
	check := func(name string, r result) {
		t.Helper()
		for _, field := range strings.Fields(r.stdout) {
			if field == "6" || field == "0" || r.err != nil {
				t.Errorf("%s: %s%s", name, r.stdout, r.stderr)
			}
		}
	}
	check("alice", d.sudo(nil, []string{"--identity=grant", "-u", "alice", "-C", "/"}, "sh", "-c", groups))
	check("user", d.sudo(nil, grantFlags, "sh", "-c", groups))
	check("the caller", d.sudo(nil, []string{"-C", "/"}, "sh", "-c", groups))
	for _, who := range []string{"toor", "0", "game", "0:0", "root", "-1", "4294967295", "../root"} {
		r := d.sudo(nil, []string{"--identity=grant", "-u", who, "-C", "/"}, "id")
		r.wantError(t, "grant "+who, "")
	}
	for _, who := range []string{"toor", "0:0", "-1", "4294967295", "+0", " 0"} {
		r := d.sudo(nil, []string{"-u", who, "-C", "/"}, "id")
		if strings.Contains(r.stdout, "uid=0") || r.err == nil {
			t.Errorf("-u %q: %s", who, r.stdout)
		}
	}
}

// The environment, descriptors and working directory of root do not reach the
// program. Neither do files that only root can read and that variables of the
// desktop name.
func TestRootEnvironment(t *testing.T) {
	d := openSudo(t, headless.Options{X11: true})
	secret := filepath.Join(d.dir, "cookie") // belongs to root
	data, err := os.ReadFile(d.Getenv("XAUTHORITY"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, data, 0o600); err != nil {
		t.Fatal(err)
	}
	script := `cat "$XAUTHORITY" | od -c; env; grep -c . $XAUTHORITY; ls -l /proc/self/fd`
	for _, identity := range [][]string{grantFlags, {"-u", "root"}, {"-C", "/"}} {
		for _, file := range []string{secret, "/etc/shadow", "/proc/1/environ"} {
			r := d.sudo([]string{"XAUTHORITY=" + file}, append([]string{"-v"}, identity...), "sh", "-c", script)
			if r.err != nil && !strings.Contains(r.stderr, "cannot") || strings.Contains(r.stderr, "cookie from "+file) {
				t.Errorf("%v: %s, which belongs to root, was read: %v %s", identity, file, r.err, r.stderr)
			}
		}
		r := d.sudo([]string{"LD_PRELOAD=/tmp/x.so", "_CHRUN_TREE=5", "GODEBUG=netdns=1", "SECRET=of-root", "HOME=/root", "PATH=/tmp/evil:/usr/bin:/bin"},
			identity, "sh", "-c", "env; readlink /proc/self/cwd")
		for _, bad := range []string{"LD_PRELOAD", "_CHRUN_TREE", "GODEBUG", "SECRET", "/tmp/evil"} {
			if r.err != nil || strings.Contains(r.stdout, bad) {
				t.Errorf("%v: %s passes: %v %s%s", identity, bad, r.err, r.stdout, r.stderr)
			}
		}
	}
	shadow, err := os.Open("/etc/shadow")
	if err != nil {
		t.Fatal(err)
	}
	defer shadow.Close()
	for _, identity := range [][]string{grantFlags, {"-C", "/"}} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		cmd := d.asRoot(ctx, chrunProgram, append(append([]string{"-c", d.chroot}, identity...), "sh", "-c", "cat <&3; cat <&7; ls /proc/self/fd")...)
		cmd.ExtraFiles = []*os.File{shadow, shadow, shadow, shadow, shadow}
		r := runCommand(cmd)
		cancel()
		if strings.Contains(r.stdout, "root:") || strings.Contains(r.stdout, "7") {
			t.Errorf("%v: the program has a descriptor of root: %s", identity, r.stdout)
		}
	}
	// The working directory must be accessible for the program.
	if err := os.MkdirAll(filepath.Join(d.chroot, "opt/closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.sudo(nil, []string{"--identity=grant", "-u", "user", "-C", "/opt/closed"}, "pwd").wantError(t, "-C", "permission denied")
	// A caller that does not exist is not taken for root.
	for _, name := range []string{"SUDO_UID", "DOAS_USER", "PKEXEC_UID"} {
		for _, who := range []string{"nonsense", "61239", "-1", "0x0", "../0"} {
			d.sudo([]string{"SUDO_UID=0", name + "=" + who}, nil, "id").wantError(t, name+"="+who, "names no account")
		}
	}
}

// The program gets no access to sockets and directories of other users.
func TestForeignSockets(t *testing.T) {
	d := openSudo(t, headless.Options{})
	for name, own := range map[string]struct{ uid, mode int }{"root's": {0, 0o600}, "another's": {61240, 0o777}} {
		p := filepath.Join(d.dir, "s"+strconv.Itoa(own.uid))
		l, err := net.Listen("unix", p)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := os.Chown(p, own.uid, own.uid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, os.FileMode(own.mode)); err != nil {
			t.Fatal(err)
		}
		d.sudo([]string{"PULSE_SERVER=unix:" + p}, grantFlags, "true")
		d.sudo([]string{"WAYLAND_DISPLAY=" + p}, grantFlags, "true")
		d.sudo([]string{"PIPEWIRE_REMOTE=" + p}, grantFlags, "true")
		r := d.sudo(nil, append([]string{"--bind", p + ":/mnt/s"}, grantFlags...), "true")
		r.wantError(t, name, "")
		out, err := exec.Command("getfacl", "-pn", p).Output()
		headless.Must(t, "desktop", err)
		if strings.Contains(string(out), strconv.Itoa(stranger)) {
			t.Errorf("access to %s socket was granted: %s", name, out)
		}
	}
	foreign := filepath.Join(d.dir, "foreign")
	if err := os.Mkdir(foreign, 0o777); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(d.dir, "link")
	if err := os.Symlink("/root", link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{foreign, link, "/root", "/run"} {
		r := d.sudo([]string{"XDG_RUNTIME_DIR=" + dir}, grantFlags, "sh", "-c", "echo $XDG_RUNTIME_DIR; stat -c '%u %a' $XDG_RUNTIME_DIR")
		if want := fmt.Sprintf("\n%d 700", stranger); strings.HasPrefix(r.stdout, dir+"\n") || !strings.HasSuffix(r.stdout, want) {
			t.Errorf("%s is used as the runtime directory: %s%s", dir, r.stdout, r.stderr)
		}
	}
}

// chrunctl gc refuses a journal that somebody else has written, and does not act on
// it.
func TestPlantedJournal(t *testing.T) {
	d := openSudo(t, headless.Options{Compositor: "weston"})
	before := d.desktopState()
	dir := filepath.Join(d.journal, "journal")
	gc := func(env ...string) result {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return runCommand(d.asRoot(ctx, chrunctlProgram, "gc"))
	}
	check := func(name, text string, plant func() error) {
		t.Helper()
		os.RemoveAll(dir)
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		gc().wantError(t, name, text)
		if now := d.desktopState(); now != before {
			t.Errorf("%s: %s", name, now)
		}
		os.RemoveAll(dir)
		if err := os.Chmod(d.journal, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	check("link", "", func() error { return os.Symlink(d.dir, dir) })
	check("owner", "belongs to uid", func() error { os.Mkdir(dir, 0o700); return os.Chown(dir, d.User.UID, 0) })
	check("mode", "0755", func() error { return os.Mkdir(dir, 0o755) })
	check("parent", "only root can write", func() error { return os.Chmod(d.journal, 0o777) })
	socket := filepath.Join(d.RuntimeDir, d.Getenv("WAYLAND_DISPLAY"))
	var st syscall.Stat_t
	if err := syscall.Stat(socket, &st); err != nil {
		t.Fatal(err)
	}
	entry := `{"kind":"acl","acl":{"path":%q,"device":%d,"inode":%d,"owner":%d,"uid":7,"perm":4}}` + "\n"
	file := filepath.Join(dir, "launch-0123456789abcdef")
	write := func(text string) func() error {
		return func() error { os.Mkdir(dir, 0o700); return os.WriteFile(file, []byte(text), 0o600) }
	}
	check("kind", "unknown", write(`{"kind":"run","acl":null}`+"\n"))
	check("text", "not a grant", write("rm -rf /\n"))
	check("foreign file", "belongs to uid", func() error {
		write(fmt.Sprintf(entry, socket, st.Dev, st.Ino, st.Uid))()
		return os.Chown(file, d.User.UID, 0)
	})
	// A valid entry for a file that was replaced since has no effect. It stays in the
	// journal, because the file may have been moved.
	if out, err := exec.Command("setfacl", "-m", "u:7:r", socket).CombinedOutput(); err != nil {
		headless.Must(t, "desktop", fmt.Errorf("%w: %s", err, out))
	}
	before = d.desktopState()
	for _, text := range []string{fmt.Sprintf(entry, socket, st.Dev+1, st.Ino, st.Uid), fmt.Sprintf(entry, socket, st.Dev, st.Ino+1, st.Uid), fmt.Sprintf(entry, "/etc/passwd", st.Dev, st.Ino, 0)} {
		if err := write(text)(); err != nil {
			t.Fatal(err)
		}
		if r := gc(); r.err != nil {
			t.Errorf("%s", r.stderr)
		}
		if now := d.desktopState(); now != before {
			t.Errorf("%s: was\n%s\nis\n%s", text, before, now)
		}
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
	// A program inside cannot read the journal, nor make one that gc accepts.
	r := d.sudo(nil, grantFlags, "sh", "-c", "ls /run/chrun/journal; mkdir /run/chrun/journal && echo x >/run/chrun/journal/launch-0123456789abcdef; true")
	if r.err != nil {
		t.Errorf("%+v", r)
	}
	if err := d.waitNothingLeft(before); err != nil { // waits until the helper has revoked the grants
		t.Error(err)
	}
}

// Running chrun under the name of its helper process has no effect.
func TestHelperName(t *testing.T) {
	d := openSudo(t, headless.Options{})
	for _, words := range []string{"", "undo", "relay", "relay 0 0 /run/x", "relay x y z", "probe x", "x"} {
		cmd := d.Command(context.Background(), "bash", "-c", "exec -a chrun-helper "+chrunProgram+" "+words+" </dev/null 3<&- 4<&- 5<&-")
		if out, err := cmd.CombinedOutput(); strings.Contains(string(out), "panic") || err == nil && words != "relay 0 0 /run/x" {
			t.Errorf("%q: %v %s", words, err, out)
		}
	}
}
