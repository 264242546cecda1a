package test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// listenAs makes a socket that belongs to uid.
func listenAs(t *testing.T, p string, uid int) {
	t.Helper()
	l, err := net.Listen("unix", p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := errors.Join(os.Chown(p, uid, uid), os.Chmod(p, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// makeSecret makes a file that everybody may read, in a directory that only root may
// enter.
func makeSecret(t *testing.T, dir, name string) {
	t.Helper()
	writeFile(t, filepath.Join(dir, name), "a secret of root")
	if err := errors.Join(os.Chmod(dir, 0o700), os.Chmod(filepath.Join(dir, name), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// The user exchanges the directory of a replaced socket for a link into a directory
// of root's, when the entry in the ACL shows that the helper has checked the socket.
func TestReplacedSocketSwapped(t *testing.T) {
	d := openSudo(t, headless.Options{})
	server, link, secret := filepath.Join(d.RuntimeDir, "pulse"), filepath.Join(d.RuntimeDir, "link"), filepath.Join(d.dir, "secret")
	if err := errors.Join(os.Mkdir(server, 0o755), os.Symlink(secret, link)); err != nil {
		t.Fatal(err)
	}
	makeSecret(t, secret, "native")
	socket := filepath.Join(server, "native")
	listenAs(t, socket, d.User.UID)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := d.grantCommand(ctx, "sh", "-c", `echo ready $PULSE_SERVER; while :; do cat "${PULSE_SERVER#unix:}" 2>/dev/null; sleep 0.01; done`)
	cmd.Env = append(without("PULSE_SERVER")(cmd.Env), "PULSE_SERVER=unix:"+socket)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 20*time.Second, "the program starts", func() bool { return strings.Contains(out.String(), "ready") })
	for i := range 20 {
		granted := false
		for range 5 { // the helper may not watch the directory yet
			next := filepath.Join(d.RuntimeDir, "next")
			listenAs(t, next, d.User.UID)
			if err := os.Rename(next, socket); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(time.Second); !granted && time.Now().Before(end); {
				n, _ := unix.Lgetxattr(socket, "system.posix_acl_access", nil)
				granted = n > 0
			}
			if granted {
				break
			}
		}
		if !granted {
			t.Fatalf("the new socket %d is not granted: %s", i, out.String())
		}
		exchange := func() error { return unix.Renameat2(unix.AT_FDCWD, server, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE) }
		if err := exchange(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if err := exchange(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "secret of root") {
			t.Fatal("the program reads a file in a directory that only root can enter")
		}
	}
	syscallKill(cmd)
	cmd.Wait()
	waitFor(t, 20*time.Second, "chrun's processes end", func() bool { return len(chrunProcesses("")) == 0 })
}

// syscallKill kills the process group of a command.
func syscallKill(cmd *exec.Cmd) { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }

// A socket that is out of the way when the launch ends keeps no entry, wherever the
// user has moved it.
func TestMovedSocketRevoked(t *testing.T) {
	d := openSudo(t, headless.Options{})
	server := filepath.Join(d.RuntimeDir, "pulse")
	if err := os.Mkdir(server, 0o755); err != nil {
		t.Fatal(err)
	}
	socket, moved := filepath.Join(server, "native"), filepath.Join(d.RuntimeDir, "moved")
	listenAs(t, socket, d.User.UID)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := d.grantCommand(ctx, "sh", "-c", `echo ready; read x`)
	cmd.Env = append(without("PULSE_SERVER")(cmd.Env), "PULSE_SERVER=unix:"+socket)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 20*time.Second, "the program starts", func() bool { return strings.Contains(out.String(), "ready") })
	if err := os.Rename(socket, moved); err != nil {
		t.Fatal(err)
	}
	in.Close()
	cmd.Wait()
	waitFor(t, 20*time.Second, "chrun's processes end", func() bool { return len(chrunProcesses("")) == 0 })
	acl, _ := exec.Command("getfacl", "-cpn", moved).Output()
	if strings.Contains(string(acl), fmt.Sprintf("user:%d:", stranger)) {
		t.Errorf("access to the moved socket is left: %s", acl)
	}
	d.gc()
}

// The path of the tree leads through a directory of the user's. It must not lead
// into a directory that only root can enter.
func TestTreeThroughUsersLink(t *testing.T) {
	d := openSudo(t, headless.Options{})
	vault := filepath.Join(d.dir, "vault")
	if err := os.MkdirAll(filepath.Join(vault, "tree"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.mount(d.mountAccountsTree(stranger), filepath.Join(vault, "tree"), "", unix.MS_BIND|unix.MS_REC, "")
	writeFile(t, filepath.Join(vault, "tree/etc/secret"), "a secret of root")
	link := filepath.Join(d.dir, "link")
	if err := errors.Join(os.Chown(d.dir, d.User.UID, d.User.GID), os.Symlink(filepath.Join(vault, "tree"), link), os.Lchown(link, d.User.UID, d.User.GID)); err != nil {
		t.Fatal(err)
	}
	d.chroot = link
	for name, flags := range map[string][]string{"grant": grantFlags, "idmap": {"--identity=idmap", "-u", "user", "-C", "/"}, "root": {"-u", "root"}} {
		r := d.sudo(nil, flags, "cat", "/etc/secret")
		if r.err == nil || strings.Contains(r.stdout, "secret of root") || !strings.Contains(r.stderr, "ermission denied") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// The user exchanges the tree while root plans: the passwd that was read is that of
// the tree that is entered.
func TestTreeSwapped(t *testing.T) {
	d := openSudo(t, headless.Options{})
	var dirs []string
	for _, name := range []string{"one", "two"} {
		dir := filepath.Join(d.dir, name)
		if err := os.MkdirAll(filepath.Join(dir, "tree"), 0o755); err != nil {
			t.Fatal(err)
		}
		d.mount(d.mountAccountsTree(stranger), filepath.Join(dir, "tree"), "", unix.MS_BIND|unix.MS_REC, "")
		writeFile(t, filepath.Join(dir, "tree/etc/passwd"), fmt.Sprintf("user:x:%d:%[1]d:%s:/home/user:/bin/bash\n", stranger, name))
		writeFile(t, filepath.Join(dir, "tree/etc/which"), name)
		dirs = append(dirs, dir)
	}
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				unix.Renameat2(unix.AT_FDCWD, dirs[0], unix.AT_FDCWD, dirs[1], unix.RENAME_EXCHANGE)
			}
		}
	}()
	defer func() { close(stop); <-done }()
	d.chroot = filepath.Join(dirs[0], "tree")
	for range 15 {
		for name, flags := range map[string][]string{"grant": grantFlags, "idmap": {"--identity=idmap", "-u", "user", "-C", "/"}, "root": {"-u", "root"}} {
			r := d.sudo(nil, flags, "sh", "-c", "grep ^user: /etc/passwd | cut -d: -f5 | tr '\\n' ' '; cat /etc/which")
			if got := strings.Fields(r.stdout); len(got) != 2 || got[0] != got[1] {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// An account of the tree has a number that nobody in passwd has, but that the host
// gives to somebody else: a service, a container, another user's namespace.
func TestNumbersOfRanges(t *testing.T) {
	d := openSudo(t, headless.Options{})
	tree := d.mountAccountsTree(stranger)
	numbers := map[string]int{"dynamic": 61234, "container": 1000000}
	for line := range strings.Lines(readFile(t, "/etc/subuid")) {
		f := strings.Split(line, ":")
		if first, err := strconv.Atoi(f[1]); err == nil && f[0] != d.User.Name && f[0] != strconv.Itoa(d.User.UID) {
			numbers["other"] = first + 7
		}
	}
	passwd := readFile(t, filepath.Join(tree, "etc/passwd"))
	for name, uid := range numbers {
		passwd += fmt.Sprintf("%s:x:%d:%[2]d::/home/user:/bin/sh\n", name, uid)
	}
	writeFile(t, filepath.Join(tree, "etc/passwd"), passwd)
	d.chroot = tree
	for name, uid := range numbers {
		for _, kind := range []string{"grant", "idmap"} {
			r := d.sudo(nil, []string{"--identity=" + kind, "-u", name, "-C", "/"}, "id", "-u")
			if belongs := fmt.Sprintf("uid %d belongs to ", uid); r.err == nil || !strings.Contains(r.stderr, belongs) || !strings.Contains(r.stderr, fmt.Sprintf("-u %d", uid)) {
				t.Errorf("%s, %s: %+v", kind, name, r)
			}
			r = d.sudo(nil, []string{"--identity=" + kind, "-u", strconv.Itoa(uid), "-C", "/"}, "id", "-u")
			if r.err != nil || !strings.Contains(r.stderr, fmt.Sprintf("uid %d belongs to ", uid)) {
				t.Errorf("%s by number, %s: %+v", kind, name, r)
			}
		}
	}
}
