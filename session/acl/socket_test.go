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

// listenSocket makes a socket and opens it.
func listenSocket(t *testing.T, path string, mode os.FileMode) *File {
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

// readState returns the ACL and the mode as other programs see them.
func readState(t *testing.T, path string) string {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, "getfacl", "-pcn", path) + st.Mode().String()
}

func (f *File) socket() Socket { return Socket{f.path, f.Device, f.Inode, f.Owner, f.Handle()} }

// directories makes a directory on each kind of file system with ACLs.
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

// Add makes the same entry as setfacl, and Remove restores what was there.
func TestAgainstSetfacl(t *testing.T) {
	for _, dir := range directories(t) {
		for name, tt := range map[string]struct {
			mode os.FileMode
			own  string // ACL that was set before
		}{
			"plain": {0o700, ""}, "open": {0o777, ""}, "group": {0o750, ""},
			"other": {0o700, "u:7:rx"}, "two": {0o700, "u:7:rx,u:70000:w,g:7:rwx"}, "wide mask": {0o700, "u:7:r,m::rwx"},
		} {
			added, reference := filepath.Join(dir, name), filepath.Join(dir, name+"'")
			f := listenSocket(t, added, tt.mode)
			listenSocket(t, reference, tt.mode)
			if tt.own != "" {
				run(t, "setfacl", "-m", tt.own, added, reference)
			}
			before := readState(t, added)
			if err := f.socket().Add(12345, 6); err != nil {
				t.Fatal(err)
			}
			args := []string{"-m", "u:12345:rw", reference}
			if name == "wide mask" {
				args = append([]string{"-n"}, args...)
			}
			run(t, "setfacl", args...)
			if a, b := readState(t, added), readState(t, reference); a != b {
				t.Errorf("%s: Add makes\n%s\nsetfacl\n%s", name, a, b)
			}
			if has, err := f.socket().Has(12345, 6); !has || err != nil {
				t.Errorf("%s: Has: %v, %v", name, has, err)
			}
			if err := f.socket().Remove(12345, 6); err != nil {
				t.Fatal(err)
			}
			if after := readState(t, added); after != before {
				t.Errorf("%s: before\n%s\nafter\n%s", name, before, after)
			}
			_, err := unix.Lgetxattr(added, attribute, nil)
			if tt.own == "" && err != unix.ENODATA {
				t.Errorf("%s: an ACL is left: %v", name, err)
			}
		}
	}
}

// Entries with other permissions and sockets that were replaced are not touched.
func TestChangedSince(t *testing.T) {
	path := filepath.Join(directories(t)[0], "s")
	f := listenSocket(t, path, 0o700)
	s := f.socket()
	for _, own := range []string{"u:12345:r", "u:12345:rwx"} {
		run(t, "setfacl", "-m", own, path)
		before := readState(t, path)
		if err := s.Add(12345, 6); !errors.Is(err, ErrConflict) {
			t.Errorf("added over %s: %v", own, err)
		}
		if err := s.Remove(12345, 6); err != nil || readState(t, path) != before {
			t.Errorf("%s: %v, %s", own, err, readState(t, path))
		}
	}
	if has, err := s.Has(12345, 6); !has || err != nil {
		t.Errorf("rwx does not grant rw: %v", err)
	}
	run(t, "setfacl", "-m", "u:12345:rw", path)
	for _, other := range []Socket{{path, s.Device, s.Inode + 1, s.Owner, ""}, {path, s.Device + 1, s.Inode, s.Owner, ""}, {path, s.Device, s.Inode, s.Owner + 1, ""}} {
		before := readState(t, path)
		if err := other.Add(1, 6); !errors.Is(err, ErrReplaced) {
			t.Errorf("%+v: %v", other, err)
		}
		if _, err := other.Has(12345, 6); !errors.Is(err, ErrReplaced) {
			t.Errorf("%+v: %v", other, err)
		}
		if err := other.Remove(12345, 6); !errors.Is(err, ErrLeft) || readState(t, path) != before {
			t.Errorf("%+v: %v, %s", other, err, readState(t, path))
		}
	}
	// chmod 700 denies access by the mask; the entries stay.
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if has, _ := s.Has(12345, 6); has {
		t.Error("access is still granted after chmod 700")
	}
	if err := s.Remove(12345, 6); err != nil || strings.Contains(readState(t, path), "12345") {
		t.Errorf("%v, %s", err, readState(t, path))
	}
	for _, p := range []string{path + ".gone", path + "/below"} {
		if err := (Socket{Path: p}).Remove(1, 6); !errors.Is(err, ErrLeft) {
			t.Error(err)
		}
	}
}

// Open opens only sockets, and never follows a symlink.
func TestOpen(t *testing.T) {
	dir := directories(t)[0]
	f := listenSocket(t, filepath.Join(dir, "s"), 0o700)
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
	// After the path has changed, Set still changes the open socket.
	if err := os.Rename(f.path, filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	listenSocket(t, f.path, 0o700)
	l, err := f.Get()
	if err == nil {
		err = f.Set(l.With(12345, 6))
	}
	if err != nil || strings.Contains(readState(t, f.path), "12345") || !strings.Contains(readState(t, filepath.Join(dir, "moved")), "12345") {
		t.Error(err)
	}
	if err := f.Set(l[:2]); err == nil {
		t.Error("an incomplete ACL was set")
	}
}

// Only a uid that has an entry can connect.
func TestConnect(t *testing.T) {
	headless.Root(t)
	for _, dir := range directories(t) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		f := listenSocket(t, filepath.Join(dir, "c"), 0o700)
		canConnect := func(uid uint32) bool {
			cmd := exec.Command("perl", "-MSocket", "-e", `socket(S,PF_UNIX,SOCK_STREAM,0); exit(connect(S,pack_sockaddr_un($ARGV[0])) ? 0 : 1)`, f.path)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			err := cmd.Run()
			if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
				t.Fatal(err)
			}
			return err == nil
		}
		if canConnect(12345) {
			t.Error("it can connect before")
		}
		if err := f.socket().Add(12345, 6); err != nil || !canConnect(12345) || canConnect(12346) {
			t.Errorf("%v, uid 12345 can connect: %v, uid 12346: %v", err, canConnect(12345), canConnect(12346))
		}
		if err := f.socket().Remove(12345, 6); err != nil || canConnect(12345) {
			t.Errorf("it can still connect: %v", err)
		}
	}
}

// Add reports why a file system refuses an ACL.
func TestRefusedByFileSystem(t *testing.T) {
	headless.Root(t)
	dir := directories(t)[0]
	errs := make(chan error)
	go func() { // the mounts end with the thread of this goroutine
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
