package test

import (
	"context"
	"errors"
	"fmt"
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

// Whose the files are that a program writes, seen from both sides; and whether
// other programs of the desktop's user can look at its root, as portals do.
func TestOwners(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	for _, id := range d.identities() {
		t.Run(id.name, func(t *testing.T) { (&desk{d.Session, t, id.tree}).checkOwners(id) })
	}
}

func (d *desk) checkOwners(id identity) {
	t := d.t
	dir := headless.Dir(t, d.User)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// Where the account's home is, the program finds out as programs do.
	id.flags = append([]string{"--bind", dir}, id.flags...) // root inside has no /tmp of the user's
	cmd := d.launch(ctx, id, nil, "sh", "-c", `echo >"$1/file"; echo >~/owner-$$; stat -c %u "$1/file" ~/owner-$$; id -u; echo ~/owner-$$ $$; exec sleep 20`, "sh", dir)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); cmd.Wait() }()
	waitFor(t, 10*time.Second, "the program", func() bool { return strings.Count(out.String(), "\n") >= 4 })
	said := strings.Fields(out.String())
	shown := strconv.Itoa(id.insideUID)
	if len(said) != 5 || said[0] != shown || said[1] != shown || said[2] != shown {
		t.Fatalf("inside: %s, want %s thrice", out.String(), shown)
	}
	pid := said[4]
	for file, want := range map[string]int{filepath.Join(dir, "file"): id.hostUID, "/proc/" + pid + "/root" + said[3]: id.hostUID} {
		if st, err := os.Stat(file); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != want {
			t.Errorf("%s outside: %v %v, want %d", file, st, err, want)
		}
	}
	os.Remove("/proc/" + pid + "/root" + said[3])
	// On disk, the files of an idmapped tree are the account's.
	if id.name == "idmap" {
		cmd := d.launch(ctx, id, nil, "sh", "-c", `echo >/home/user/kept; stat -c %u /home/user/kept`)
		said, err := cmd.CombinedOutput()
		st, err2 := os.Stat(id.tree + "/home/user/kept")
		if errors.Join(err, err2) != nil || string(said) != shown+"\n" || int(st.Sys().(*syscall.Stat_t).Uid) != freeID() {
			t.Errorf("%v %v: inside %s", err, err2, said)
		}
	}
	look, err := d.Output("ls", "/proc/"+pid+"/root/")
	if id.sudo && id.hostUID != d.User.UID {
		if err == nil || !strings.Contains(err.Error(), "Permission denied") {
			t.Errorf("the user can look at the root of another uid's program: %v %s", err, look)
		}
	} else if err != nil || !strings.Contains(look, "usr") {
		t.Errorf("the user cannot look at the program's root: %v %s", err, look)
	}
}

// Root inside a tree of the user's subordinate ids is root in everything that
// a package manager does, and what it does lasts.
func TestRootInside(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	d.chroot = d.mountSubordinateTree()
	me := strconv.Itoa(d.User.UID)
	dir := headless.Dir(t, d.User)
	d.runAsRoot(fmt.Sprintf(`mkdir -p %[1]s/p/DEBIAN %[1]s/p/usr/share/small
cat >%[1]s/p/DEBIAN/control <<E
Package: small
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: a test
E
printf '#!/bin/sh\nchown daemon /usr/share/small\n' >%[1]s/p/DEBIAN/postinst
chmod 755 %[1]s/p/DEBIAN/postinst
dpkg-deb --root-owner-group -b %[1]s/p %[1]s/small.deb`, dir))
	// Root has none of the user's files but what is named.
	root := []string{"-u", "root", "-C", "/", "--bind", dir + ":/opt", "--bind", "/root:/srv"}
	d.chrun(both, root, "sh", "-c", `id -u; id -g; stat -c %u /etc/shadow`).wantOutput(t, "0\n0\n0")
	d.chrun(both, root, "dpkg", "-i", "/opt/small.deb").wantOutput(t, "Setting up small")
	d.chrun(both, root, "stat", "-c", "%U", "/usr/share/small").wantOutput(t, "daemon")
	d.chrun(both, root, "sh", "-c", "useradd -m -u "+me+" -s /bin/bash me && echo 'me ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/me && echo made").wantOutput(t, "made")
	// The account is the user now, and sudo works.
	d.chrun(both, nil, "sh", "-c", "id -un; sudo -n id -u; dpkg-query -W small").wantOutput(t, "me\n0\nsmall\t1")
	if st, err := os.Stat(d.chroot + "/usr/share/small"); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != d.subordinateIDs()+1 {
		t.Errorf("daemon's files outside: %v %v", st, err)
	}
	if out, err := exec.Command("grep", "-c", "^me:", filepath.Join(d.chroot, "etc/passwd")).Output(); err != nil {
		t.Errorf("the account does not last: %v %s", err, out)
	}
	// It is no root outside.
	r := d.chrun(both, root, "sh", "-c", "ls -ld /opt/small.deb >&2; ls /srv")
	if r.err == nil || r.stdout != "" || !strings.Contains(r.stderr, "Permission denied") {
		t.Errorf("root inside reads a directory of root's: %v %.200s", r.err, r.stderr)
	}
}

// In a tree of one's own one is root by name, with one's own files; in root's
// tree one is not.
func TestOwnRoot(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	lent := d.chroot
	d.chroot = filepath.Join(headless.Dir(t, d.User), "tree")
	if out, err := d.Output("sh", "-c", `mkdir -p "$1/root" && cp -a "$2/bin" "$2/lib" "$2/usr" "$1"`, "sh", d.chroot, headless.Chroot32(t)); err != nil {
		t.Fatal(out, err)
	}
	d.chrun(both, []string{"-u", "root", "-C", "/"}, "sh", "-c", "id -u; echo >/usr/made; stat -c %u /usr/made").wantOutput(t, "0\n0")
	if st, err := os.Stat(d.chroot + "/usr/made"); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != d.User.UID {
		t.Errorf("outside: %v %v", st, err)
	}
	d.chroot = lent
	r := d.chrun(both, []string{"-u", "root"}, "apt-get", "update")
	if want := "cannot be root in"; r.code != 125 || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "hint: sudo chrun -c "+lent+" -u root apt-get update") {
		t.Errorf("%d: %s", r.code, r.stderr)
	}
}
