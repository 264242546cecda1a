package acl

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

func socket(t *testing.T, path string, mode os.FileMode) *File {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// run runs setfacl or getfacl.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		headless.Must(t, "desktop", err)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// look is the ACL and the mode as others see them.
func look(t *testing.T, path string) string {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, "getfacl", "-pcn", path) + st.Mode().String()
}

func (f *File) socket() Socket { return Socket{f.path, f.Device, f.Inode, f.Owner} }

// directories are one on each kind of file system that has ACLs.
func directories(t *testing.T) []string {
	dirs := []string{headless.Dir(t, headless.User{UID: os.Getuid(), GID: os.Getgid()})}
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) == nil && fs.Type == unix.TMPFS_MAGIC {
		if dir, err := os.MkdirTemp("/dev/shm", "chrun-test-"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// An entry is what setfacl would make, and its removal leaves what was there.
func TestAgainstSetfacl(t *testing.T) {
	for _, dir := range directories(t) {
		for name, tt := range map[string]struct {
			mode os.FileMode
			own  string // what the person had set
		}{
			"plain": {0o700, ""}, "open": {0o777, ""}, "group": {0o750, ""},
			"other's": {0o700, "u:7:rx"}, "two": {0o700, "u:7:rx,u:70000:w,g:7:rwx"}, "wide mask": {0o700, "u:7:r,m::rwx"},
		} {
			ours, theirs := filepath.Join(dir, name), filepath.Join(dir, name+"'")
			f := socket(t, ours, tt.mode)
			socket(t, theirs, tt.mode)
			if tt.own != "" {
				run(t, "setfacl", "-m", tt.own, ours, theirs)
			}
			before := look(t, ours)
			if err := f.socket().Add(12345, 6); err != nil {
				t.Fatal(err)
			}
			args := []string{"-m", "u:12345:rw", theirs}
			if name == "wide mask" {
				args = append([]string{"-n"}, args...)
			}
			run(t, "setfacl", args...)
			if a, b := look(t, ours), look(t, theirs); a != b {
				t.Errorf("%s: ours\n%s\nsetfacl's\n%s", name, a, b)
			}
			if has, err := f.socket().Has(12345, 6); !has || err != nil {
				t.Errorf("%s: Has: %v, %v", name, has, err)
			}
			if err := f.socket().Remove(12345, 6); err != nil {
				t.Fatal(err)
			}
			if after := look(t, ours); after != before {
				t.Errorf("%s: before\n%s\nafter\n%s", name, before, after)
			}
			_, err := unix.Lgetxattr(ours, attribute, nil)
			if tt.own == "" && err != unix.ENODATA {
				t.Errorf("%s: an ACL stays behind: %v", name, err)
			}
		}
	}
}

// What has changed since is left alone.
func TestChanged(t *testing.T) {
	path := filepath.Join(directories(t)[0], "s")
	f := socket(t, path, 0o700)
	s := f.socket()
	for _, own := range []string{"u:12345:r", "u:12345:rwx"} {
		run(t, "setfacl", "-m", own, path)
		before := look(t, path)
		if err := s.Add(12345, 6); !errors.Is(err, ErrEntry) {
			t.Errorf("added over %s: %v", own, err)
		}
		if err := s.Remove(12345, 6); err != nil || look(t, path) != before {
			t.Errorf("%s: %v, %s", own, err, look(t, path))
		}
	}
	if has, err := s.Has(12345, 6); !has || err != nil {
		t.Errorf("rwx does not grant rw: %v", err)
	}
	run(t, "setfacl", "-m", "u:12345:rw", path)
	for _, other := range []Socket{{path, s.Device, s.Inode + 1, s.Owner}, {path, s.Device + 1, s.Inode, s.Owner}, {path, s.Device, s.Inode, s.Owner + 1}} {
		before := look(t, path)
		if err := other.Add(1, 6); !errors.Is(err, ErrOther) {
			t.Errorf("%+v: %v", other, err)
		}
		if _, err := other.Has(12345, 6); !errors.Is(err, ErrOther) {
			t.Errorf("%+v: %v", other, err)
		}
		if err := other.Remove(12345, 6); err != nil || look(t, path) != before {
			t.Errorf("%+v: %v, %s", other, err, look(t, path))
		}
	}
	// chmod closes it without removing entries.
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if has, _ := s.Has(12345, 6); has {
		t.Error("chmod 700 has not closed it")
	}
	if err := s.Remove(12345, 6); err != nil || strings.Contains(look(t, path), "12345") {
		t.Errorf("%v, %s", err, look(t, path))
	}
	for _, p := range []string{path + ".gone", path + "/below"} {
		if err := (Socket{Path: p}).Remove(1, 6); err != nil {
			t.Error(err)
		}
	}
}

// Only a socket is opened, and never by a symlink.
func TestOpen(t *testing.T) {
	dir := directories(t)[0]
	f := socket(t, filepath.Join(dir, "s"), 0o700)
	if f.Owner != os.Getuid() {
		t.Errorf("owner %d", f.Owner)
	}
	os.Symlink("s", filepath.Join(dir, "link"))
	os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
	unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600)
	for name, want := range map[string]error{"link": unix.ENOTSOCK, "file": unix.ENOTSOCK, "fifo": unix.ENOTSOCK,
		".": unix.ENOTSOCK, "none": unix.ENOENT, "s/x": unix.ENOTDIR} {
		if g, err := Open(dir + "/" + name); !errors.Is(err, want) {
			t.Errorf("%s: %v, %v", name, g, err)
		}
	}
	// The path may lead elsewhere by now: the open socket is meant.
	if err := os.Rename(f.path, filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	socket(t, f.path, 0o700)
	l, err := f.Get()
	if err == nil {
		err = f.Set(l.With(12345, 6))
	}
	if err != nil || strings.Contains(look(t, f.path), "12345") || !strings.Contains(look(t, filepath.Join(dir, "moved")), "12345") {
		t.Error(err)
	}
	if err := f.Set(l[:2]); err == nil {
		t.Error("half an ACL is set")
	}
}

// Who may connect: the uid, once it has the entry, and no other.
func TestConnect(t *testing.T) {
	headless.Root(t)
	for _, dir := range directories(t) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		f := socket(t, filepath.Join(dir, "c"), 0o700)
		try := func(uid uint32) bool {
			cmd := exec.Command("perl", "-MSocket", "-e", `socket(S,PF_UNIX,SOCK_STREAM,0); exit(connect(S,pack_sockaddr_un($ARGV[0])) ? 0 : 1)`, f.path)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			err := cmd.Run()
			if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
				t.Fatal(err)
			}
			return err == nil
		}
		if try(12345) {
			t.Error("it is open before")
		}
		if err := f.socket().Add(12345, 6); err != nil || !try(12345) || try(12346) {
			t.Errorf("%v, it %v, another %v", err, try(12345), try(12346))
		}
		if err := f.socket().Remove(12345, 6); err != nil || try(12345) {
			t.Errorf("it is open after: %v", err)
		}
	}
}

// File systems that refuse say why.
func TestRefused(t *testing.T) {
	headless.Root(t)
	dir := directories(t)[0]
	errs := make(chan error)
	go func() { // the thread ends with it, and its mounts
		runtime.LockOSThread()
		errs <- func() error {
			if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_FS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
				return err
			}
			real, bound, ram := filepath.Join(dir, "real"), filepath.Join(dir, "bound"), filepath.Join(dir, "ram")
			for _, d := range []string{real, bound, ram} {
				if err := os.Mkdir(d, 0o755); err != nil {
					return err
				}
			}
			l, err := net.Listen("unix", real+"/s")
			if err != nil {
				return err
			}
			defer l.Close()
			if err := errors.Join(unix.Mount(real, bound, "", unix.MS_BIND, ""),
				unix.Mount("", bound, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""),
				unix.Mount("ramfs", ram, "ramfs", 0, "")); err != nil {
				return err
			}
			m, err := net.Listen("unix", ram+"/s")
			if err != nil {
				return err
			}
			defer m.Close()
			for path, want := range map[string]error{bound + "/s": unix.EROFS, ram + "/s": ErrUnsupported} {
				f, err := Open(path)
				if err != nil {
					return err
				}
				if err := f.socket().Add(12345, 6); !errors.Is(err, want) {
					t.Errorf("%s: %v", path, err)
				} else {
					t.Log(err)
				}
				f.Close()
			}
			return nil
		}()
	}()
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
}
