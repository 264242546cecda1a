package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// bareFiles are files that a fresh tree does not have.
var bareFiles = []string{"etc/resolv.conf", "etc/hosts", "etc/machine-id", "etc/localtime"}

// mountBareTree mounts the chroot without those files in dir, with a profile.env as
// Gentoo has.
func mountBareTree(t *testing.T, dir, lower string) (tree string) {
	t.Helper()
	writeFile(t, filepath.Join(dir, "upper/etc/profile.env"), "export PATH='/opt/bin:/usr/bin:/bin:/usr/sbin:/sbin'\n")
	writeFile(t, filepath.Join(dir, "upper/usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n")
	tree = mountOverTree(t, lower, dir, "tree")
	for _, f := range bareFiles {
		if err := os.Remove(filepath.Join(tree, f)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return tree
}

// updateOnHost fetches the lists of the tree's packages with the host's apt.
func updateOnHost(t *testing.T, tree string) ([]byte, error) {
	dir := t.TempDir()
	return exec.Command("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "-o", "Dir::State="+dir, "-o", "Dir::Cache="+dir,
		"-o", "Dir::Etc="+filepath.Join(tree, "etc/apt"), "-o", "APT::Sandbox::User=root", "update").CombinedOutput()
}

// A tree as Gentoo's stage3 works at once: root inside has name servers and installs
// packages from the network, the user's programs have windows and sound, and nothing
// of a launch stays in the tree.
func TestStage3(t *testing.T) {
	s := openStage(t, headless.Options{Compositor: "weston", X11: true, Sound: true, Bus: true})
	tree := mountBareTree(t, headless.Dir(t, s.User), s.chroot)
	inTree := func(name string) string { return filepath.Join(tree, name) }
	root := func(script string) result {
		return s.run("/tmp", bySudo.words(s, chrunProgram, "-q", "-c", tree, "-u", "root", "-C", "/", "sh", "-c", script)...)
	}
	wantBare := func(files ...string) {
		t.Helper()
		for _, f := range files {
			waitFor(t, 10*time.Second, f+" is removed", func() bool { _, err := os.Lstat(inTree(f)); return os.IsNotExist(err) })
		}
	}
	host := strings.TrimSpace(readFile(t, "/etc/resolv.conf"))
	r := root("cat /etc/resolv.conf; echo PATH=$PATH; date +%Z")
	r.wantAll(t, host, ":/bin:/opt/bin\n", time.Now().Format("MST"))
	wantBare(bareFiles...)

	t.Run("user", func(t *testing.T) {
		d := &desk{s.Session, t, tree}
		d.chrun(both, nil, "sh", "-c", "cat /etc/resolv.conf; test -s /etc/hosts -a -s /etc/machine-id && echo complete; echo $PATH"+desktopWorks).
			wantAll(t, append(works, host, "complete", ":/bin:/opt/bin\n")...)
		if r := d.chrun(both, nil, "zenity", "--info", "--text=hello", "--timeout=1"); r.code != 5 { // it was shown
			t.Errorf("status %d: %s", r.code, r.stderr)
		}
		checkSound(d)
		wantBare(bareFiles...)
	})
	t.Run("packages", func(t *testing.T) {
		if out, err := updateOnHost(t, tree); err != nil {
			t.Skipf("the host reaches no packages: %v: %s", err, out)
		}
		root("apt-get -q update && apt-get -qy install hello && hello").wantAll(t, "Hello, world!")
		wantBare(bareFiles...)
		// The package manager owns the zones, even the host's.
		if err := os.Symlink("/usr/share/zoneinfo/Etc/UTC", inTree("etc/localtime")); err != nil {
			t.Fatal(err)
		}
		root("apt-get -qy install --reinstall tzdata && echo reinstalled").wantAll(t, "reinstalled")
		// A package may make resolv.conf a symlink into /run.
		root("apt-get -qy install systemd-resolved && echo installed").wantAll(t, "installed")
		root("ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf || echo busy").wantAll(t, "busy")
		wantBare("etc/resolv.conf")
		if err := os.Symlink("../run/systemd/resolve/stub-resolv.conf", inTree("etc/resolv.conf")); err != nil {
			t.Fatal(err)
		}
		root("cat /etc/resolv.conf").wantAll(t, host)
	})
}

// Under every identity a tree without resolv.conf gets the host's, and no file of a
// launch stays in it.
func TestBareTreeIdentities(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{})
	host := strings.TrimSpace(readFile(t, "/etc/resolv.conf"))
	for _, id := range d.identities() {
		t.Run(id.name, func(t *testing.T) {
			for _, f := range []string{"etc/resolv.conf", "etc/hosts"} {
				if err := os.Remove(filepath.Join(id.tree, f)); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
			for range 2 {
				if out, err := d.output(id, nil, "cat", "/etc/resolv.conf"); err != nil || strings.TrimSpace(out) != host {
					t.Errorf("%v: %q", err, out)
				}
			}
			waitFor(t, 10*time.Second, "nothing is left", func() bool {
				_, err1 := os.Lstat(filepath.Join(id.tree, "etc/resolv.conf"))
				_, err2 := os.Lstat(filepath.Join(id.tree, "etc/hosts"))
				return os.IsNotExist(err1) && os.IsNotExist(err2)
			})
		})
	}
}
