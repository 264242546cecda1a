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

// The owners of files that a program writes, inside and on the host; and whether
// other programs of the desktop user can read its root directory, as portals do.
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
	id.flags = append([]string{"--bind", dir}, id.flags...) // root inside does not have the user's /tmp
	cmd := d.launch(ctx, id, nil, "sh", "-c", `echo >"$1/file"; echo >~/owner-$$; stat -c %u "$1/file" ~/owner-$$; id -u; echo ~/owner-$$ $$; exec sleep 20`, "sh", dir)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); cmd.Wait() }()
	waitFor(t, 10*time.Second, "the program", func() bool { return strings.Count(out.String(), "\n") >= 4 })
	fields := strings.Fields(out.String())
	uid := strconv.Itoa(id.insideUID)
	if len(fields) != 5 || fields[0] != uid || fields[1] != uid || fields[2] != uid {
		t.Fatalf("inside: %s, want the uid %s three times", out.String(), uid)
	}
	homeFile, pid := fields[3], fields[4]
	for _, file := range []string{filepath.Join(dir, "file"), "/proc/" + pid + "/root" + homeFile} {
		if st, err := os.Stat(file); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != id.hostUID {
			t.Errorf("%s on the host: %v %v, want uid %d", file, st, err, id.hostUID)
		}
	}
	os.Remove("/proc/" + pid + "/root" + homeFile)
	if id.name == "idmap" {
		d.checkIdmappedOwner(ctx, id)
	}
	list, err := d.Output("ls", "/proc/"+pid+"/root/")
	if id.sudo && id.hostUID != d.User.UID {
		if err == nil || !strings.Contains(err.Error(), "Permission denied") {
			t.Errorf("the user can read the root directory of a program with another uid: %v %s", err, list)
		}
	} else if err != nil || !strings.Contains(list, "usr") {
		t.Errorf("the user cannot read the root directory of the program: %v %s", err, list)
	}
}

// checkIdmappedOwner checks that a file in an idmapped tree belongs to the user
// inside, and to the account on disk.
func (d *desk) checkIdmappedOwner(ctx context.Context, id identity) {
	d.t.Helper()
	cmd := d.launch(ctx, id, nil, "sh", "-c", `echo >/home/user/kept; stat -c %u /home/user/kept`)
	inside, err := cmd.CombinedOutput()
	st, err2 := os.Stat(id.tree + "/home/user/kept")
	if errors.Join(err, err2) != nil || string(inside) != strconv.Itoa(id.insideUID)+"\n" || int(st.Sys().(*syscall.Stat_t).Uid) != freeID() {
		d.t.Errorf("%v %v: inside the uid is %s", err, err2, inside)
	}
}

// Root inside a tree that belongs to the user's subordinate IDs can do everything
// that a package manager does, and the changes persist.
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
	// Root gets only those files of the user that are named.
	root := []string{"-u", "root", "-C", "/", "--bind", dir + ":/opt", "--bind", "/root:/srv"}
	d.chrun(both, root, "sh", "-c", `id -u; id -g; stat -c %u /etc/shadow`).wantOutput(t, "0\n0\n0")
	d.chrun(both, root, "dpkg", "-i", "/opt/small.deb").wantOutput(t, "Setting up small")
	d.chrun(both, root, "stat", "-c", "%U", "/usr/share/small").wantOutput(t, "daemon")
	d.chrun(both, root, "sh", "-c", "useradd -m -u "+me+" -s /bin/bash me && echo 'me ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/me && echo made").wantOutput(t, "made")
	// The account now has the user's uid, and sudo works.
	d.chrun(both, nil, "sh", "-c", "id -un; sudo -n id -u; dpkg-query -W small").wantOutput(t, "me\n0\nsmall\t1")
	if st, err := os.Stat(d.chroot + "/usr/share/small"); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != d.subordinateIDs()+1 {
		t.Errorf("daemon's files outside: %v %v", st, err)
	}
	if out, err := exec.Command("grep", "-c", "^me:", filepath.Join(d.chroot, "etc/passwd")).Output(); err != nil {
		t.Errorf("the account does not persist: %v %s", err, out)
	}
	// Root inside is not root on the host.
	r := d.chrun(both, root, "sh", "-c", "ls -ld /opt/small.deb >&2; ls /srv")
	if r.err == nil || r.stdout != "" || !strings.Contains(r.stderr, "Permission denied") {
		t.Errorf("root inside reads a directory of the host's root: %v %.200s", r.err, r.stderr)
	}
}

// In a tree that belongs to the user, the user can be root inside, and files still
// belong to the user. In a tree of root that is refused.
func TestOwnRoot(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	rootsTree := d.chroot
	d.chroot = filepath.Join(headless.Dir(t, d.User), "tree")
	if out, err := d.Output("sh", "-c", `mkdir -p "$1/root" && cp -a "$2/bin" "$2/lib" "$2/usr" "$1"`, "sh", d.chroot, headless.Chroot32(t)); err != nil {
		t.Fatal(out, err)
	}
	d.chrun(both, []string{"-u", "root", "-C", "/"}, "sh", "-c", "id -u; echo >/usr/made; stat -c %u /usr/made").wantOutput(t, "0\n0")
	if st, err := os.Stat(d.chroot + "/usr/made"); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != d.User.UID {
		t.Errorf("outside: %v %v", st, err)
	}
	d.chroot = rootsTree
	r := d.chrun(both, []string{"-u", "root"}, "apt-get", "update")
	if want := "cannot be root in"; r.code != 125 || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "hint: sudo chrun -c "+rootsTree+" -u root apt-get update") {
		t.Errorf("%d: %s", r.code, r.stderr)
	}
}
