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
	"testing"
	"time"

	"chrun/internal/headless"
)

// A relay serves only its program, and lets nobody claim to be root.
func TestRelayAttacked(t *testing.T) {
	d := openSudo(t, headless.Options{Bus: true})
	const auth = `use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un("/run/chrun/session-bus")) or die "connect: $!\n";
		syswrite(S, "\0AUTH EXTERNAL $ARGV[0]\r\n"); sysread(S, $b, 9) or die "hung up\n"; print $b`
	authID := func(uid int) string { return fmt.Sprintf("%x", strconv.Itoa(uid)) }
	inside := fmt.Sprintf(`for id in %s %s %s; do perl -e "$0" $id; echo; done; echo ready; read x`, authID(0), authID(d.User.UID+1), authID(stranger))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := d.grantCommand(ctx, "sh", "-c", inside, auth)
	var out safeBuffer
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 20*time.Second, "the program asks", func() bool { return strings.Contains(out.String(), "ready") })
	answers := strings.Fields(out.String())
	if strings.Count(out.String(), "REJECTED") != 2 || strings.Count(out.String(), "OK ") != 1 || strings.Index(out.String(), "OK ") < strings.LastIndex(out.String(), "REJECTED") {
		t.Errorf("the relay answers %q", answers)
	}
	first := strconv.Itoa(processesOfUID(stranger, "sh")[0])
	for _, uid := range []int{0, d.User.UID, 61240} {
		r := runCommand(exec.CommandContext(ctx, "nsenter", "-t", first, "-m", "-r", "setpriv", "--reuid="+strconv.Itoa(uid), "--regid=61240", "--clear-groups", "perl", "-e", auth, authID(stranger)))
		hungUp := r.code < 0 || strings.Contains(r.stderr, "hung up") // before it wrote, by SIGPIPE, or afterwards
		if r.err == nil || !hungUp && !strings.Contains(r.stderr, "Permission denied") {
			t.Errorf("uid %d: %+v", uid, r)
		}
		if uid == 0 {
			continue
		}
		for _, pid := range append(chrunProcesses("chrun-helper\x00revoke"), cmd.Process.Pid) { // processes of root
			r := runCommand(exec.CommandContext(ctx, "setpriv", "--reuid="+strconv.Itoa(uid), "--regid=61240", "--clear-groups", "sh", "-c",
				fmt.Sprintf("kill -KILL %[1]d; head -c 1 /proc/%[1]d/mem; ls /proc/%[1]d/fd /proc/%[1]d/root/", pid)))
			if r.err == nil || r.stdout != "" {
				t.Errorf("uid %d can access a process of root: %+v", uid, r)
			}
		}
	}
	in.Close()
	cmd.Wait()
}

// The user exchanges the named files while root plans and mounts.
func TestSwappedFiles(t *testing.T) {
	d := openSudo(t, headless.Options{})
	secret, name := filepath.Join(d.dir, "secret"), filepath.Join(d.dir, "swap")
	writeFile(t, filepath.Join(secret, "in/file"), "a secret of root")
	writeFile(t, filepath.Join(d.dir, "plain/file"), "plain")
	if err := os.Chmod(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	sockets := map[string]string{}
	for kind, uid := range map[string]int{"users": d.User.UID, "roots": 0} {
		p := filepath.Join(d.dir, kind, "native")
		if err := os.Mkdir(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", p)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := os.Chown(p, uid, uid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, 0o600); err != nil {
			t.Fatal(err)
		}
		sockets[kind] = p
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	swapper := d.Command(ctx, "sh", "-c", `cd "$0"; while :; do
		ln -sfT plain swap; ln -sfT users pulse; ln -sfT secret/in swap; ln -sfT roots pulse; done`, d.dir)
	if err := swapper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); swapper.Wait() }()
	waitFor(t, 10*time.Second, "the swapping has begun", func() bool { _, err := os.Lstat(name); return err == nil })
	good := 0
	for range 25 {
		r := d.sudo([]string{"PULSE_SERVER=unix:" + filepath.Join(d.dir, "pulse/native")}, append([]string{"--bind", name + ":/mnt/x"}, grantFlags...), "cat", "/mnt/x/file")
		if r.stdout == "plain" {
			good++
		} else if strings.Contains(r.stdout, "secret of root") || !strings.Contains(r.stderr, "cannot ") {
			t.Errorf("%+v", r)
		}
		r = d.sudo(nil, []string{"--bind", name + ":/mnt/x", "-u", "root"}, "cat", "/mnt/x/file")
		if strings.Contains(r.stdout, "secret of root") {
			t.Errorf("-u root: %+v", r)
		}
		out, err := exec.Command("getfacl", "-pn", sockets["roots"]).Output()
		headless.Must(t, "desktop", err)
		if strings.Contains(string(out), strconv.Itoa(stranger)) {
			t.Fatalf("access to a socket of root was granted: %s", out)
		}
	}
	t.Logf("%d of 25 launches got the planned file", good)
}

// Symlinks of the tree have no effect on the host.
func TestTreeLinksToRun(t *testing.T) {
	d := openSudo(t, headless.Options{Bus: true})
	host := filepath.Join(d.dir, "host")
	if err := os.Mkdir(host, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("rm", "-rf", filepath.Join(d.chroot, "run")).Run(); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{host, "/proc/self/root" + host, "tmp/../" + host, "/run"} {
		os.Remove(filepath.Join(d.chroot, "run"))
		if err := os.Symlink(target, filepath.Join(d.chroot, "run")); err != nil {
			t.Fatal(err)
		}
		r := d.sudo(nil, grantFlags, "sh", "-c", "test -S /run/chrun/session-bus && id -u")
		if left, _ := os.ReadDir(host); r.stdout != strconv.Itoa(stranger) || len(left) > 0 {
			t.Errorf("%s: %+v %v", target, r, left)
		}
	}
}
