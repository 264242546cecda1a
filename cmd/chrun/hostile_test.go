package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/session/account"
)

// Links of the tree, at the places where things are mounted or read. Where they
// lead decides neither what is mounted on the host nor whether the launch works.
func TestHostileLinks(t *testing.T) {
	b := newBox(t)
	b.userns()
	up := strings.Repeat("../", 12)
	targets := map[string]string{
		"host":      b.at("host/dir"),
		"host file": b.at("host/dir/file"),
		"up":        up + b.at("host/dir"),
		"home":      b.at("caller"),
		"proc root": "/proc/self/root" + b.at("host/dir"),
		"proc cwd":  "/proc/1/cwd",
		"dangling":  "/nowhere/at/all",
		"in run":    "/run/x/../../" + b.at("host/dir"),
		"tmp":       "/tmp/../" + b.at("host/dir"),
		"dot":       ".",
		"root":      "/",
		"run":       "/run",
		"tmp here":  "tmp",
		"usr":       "/usr",
		"etc":       "/etc",
		"missing":   "/usr/share/missing",
		"long":      strings.Repeat("x/", 1000) + "x",
	}
	// The way to a name in the tree that is a link may matter to the launch
	// where the tree is turned upside down: then it says so.
	for _, place := range []string{"etc/resolv.conf", "etc/passwd", "etc/group", "etc/machine-id", "etc/localtime", "etc", "run", "tmp", "home", "dev", "proc", "sys",
		"run/user", "var", "etc/profile.env", "etc/environment", "etc/login.defs"} {
		for name, target := range targets {
			t.Run(strings.ReplaceAll(place, "/", "_")+"/"+name, func(t *testing.T) {
				t.Parallel()
				b := newBox(t)
				b.link("tree/"+place, target)
				b.launch(t)
			})
		}
		t.Run(strings.ReplaceAll(place, "/", "_")+"/loop", func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			b.link("tree/"+place, "loop")
			b.link("tree/"+place[:strings.LastIndex(place, "/")+1]+"loop", strings.TrimPrefix(place, "etc/"))
			b.launch(t)
		})
	}
}

// launch runs a program in the tree and makes sure that it runs and that the
// host is as it was.
func (b *box) launch(t *testing.T, args ...string) {
	t.Helper()
	b.T = t
	b.seal()
	host, tree := b.sight("host"), b.sight("tree")
	got := b.chrun(append(append([]string{"-c", b.at("tree")}, args...), "/bin/ok")...)
	if got.status != 42 || got.out != "" {
		t.Errorf("status %d, %s", got.status, got.err)
	}
	if now := b.sight("host"); now != host {
		t.Errorf("the host was\n%s\nis\n%s", host, now)
	}
	if now := b.sight("tree"); now != tree {
		t.Errorf("the tree was\n%s\nis\n%s", tree, now)
	}
	if os.Getuid() == 0 { // who may write the tree
		if got := b.as(0, 0, "-q", "-c", b.at("tree"), "/bin/ok"); got.status != 42 || got.out+got.err != "" {
			t.Errorf("as root: %+v", got)
		}
		if now := b.sight("host"); now != host {
			t.Errorf("root's host was\n%s\nis\n%s", host, now)
		}
	}
	if list, err := os.ReadDir(b.at("caller")); err != nil || len(list) > 1 || len(list) == 1 && list[0].Name() != ".local" {
		t.Errorf("in the caller's home: %v, %v", list, err)
	}
}

// What is no regular file is not read, and not waited for.
func TestHostileFiles(t *testing.T) {
	newBox(t).userns()
	for _, place := range []string{"etc/passwd", "etc/group", "etc/profile.env", "etc/environment", "etc/login.defs", "etc/os-release", "etc/resolv.conf",
		"etc/machine-id", "etc/localtime", "etc/hosts", "etc/skel"} {
		for name, make := range map[string]func(*box, string) error{
			"fifo":      func(b *box, p string) error { return unix.Mkfifo(p, 0o666) },
			"directory": func(b *box, p string) error { return os.Mkdir(p, 0o755) },
			"device": func(b *box, p string) error {
				if os.Getuid() != 0 {
					b.Skip("only root can make devices")
				}
				return unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) // zero: endless
			},
			"unreadable": func(b *box, p string) error { return os.WriteFile(p, []byte("x"), 0) },
		} {
			t.Run(strings.ReplaceAll(place, "/", "_")+"/"+name, func(t *testing.T) {
				t.Parallel()
				b := newBox(t)
				b.remove("tree/" + place)
				b.check(make(b, b.at("tree/"+place)))
				b.launch(t)
			})
		}
	}
}

// Large files of accounts work, and too much is an error that says so.
func TestHostileSizes(t *testing.T) {
	t.Run("many accounts", func(t *testing.T) {
		b := newBox(t)
		b.userns()
		var lines bytes.Buffer
		for i := range 300_000 {
			lines.WriteString("u" + strconv.Itoa(i) + ":x:" + strconv.Itoa(i) + ":0::/:/bin/sh\n")
		}
		b.file("tree/etc/passwd", lines.String(), 0o644)
		b.file("tree/etc/group", strings.Repeat("x", 4<<20+1), 0o644) // one line
		b.launch(t)
		if got := b.chrun("-c", b.at("tree"), "-u", "u299999", "/bin/ok"); got.status != 42 || got.err != "" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("just fits", func(t *testing.T) {
		b := newBox(t)
		b.userns()
		b.file("tree/etc/passwd", strings.Repeat("x\n", 2<<20), 0o644)
		b.launch(t)
	})
	for _, name := range []string{"passwd", "group"} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t)
			b.file("tree/etc/"+name, "", 0o644)
			b.check(os.Truncate(b.at("tree/etc/"+name), account.MaxSize+1))
			got := b.chrun("-c", b.at("tree"), "/bin/ok")
			if want := "chrun: cannot read /etc/" + name + " of the chroot: larger than 256 MiB\n"; got.status != 125 || got.err != want {
				t.Errorf("%+v, want %q", got, want)
			}
		})
	}
	for name, n := range map[string]int{"many": 10001, "few enough": 300} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			b.userns()
			for i := range n { // in the root, which lacks /run
				b.file("tree/entry"+strconv.Itoa(i), "", 0o644)
			}
			b.remove("tree/run")
			if n < 1000 {
				b.launch(t)
				return
			}
			b.seal()
			got := b.chrun("-c", b.at("tree"), "/bin/ok")
			if got.status != 125 || !strings.Contains(got.err, "too large") || strings.Count(got.err, "\n") > 2 {
				t.Errorf("%+v", got)
			}
		})
	}
	t.Run("many, unused", func(t *testing.T) {
		b := newBox(t)
		b.userns()
		for i := range 10001 {
			b.file("tree/etc/entry"+strconv.Itoa(i), "", 0o644)
		}
		b.launch(t)
	})
}

// A path that a person names inside a hostile tree leads to no place of the
// host either.
func TestHostileBind(t *testing.T) {
	b := newBox(t)
	b.userns()
	b.mkdir("tree/opt")
	b.link("tree/opt/a", b.at("host/dir"))
	b.link("tree/opt/b", "/proc/1/root"+b.at("host/dir"))
	b.link("tree/opt/c", b.at("caller"))
	b.mkdir("share")
	b.launch(t, "--bind="+b.at("share")+":/opt/a/new", "--bind="+b.at("share")+":/opt/b/x/y", "--bind="+b.at("share")+":/opt/c/.config/z")
}
