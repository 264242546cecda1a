package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
	"chrun/internal/helper"
	"chrun/session"
)

// With this variable the test binary is chrun.
const asChrun = "CHRUN_TEST_AS_CHRUN"

func TestMain(m *testing.M) {
	if os.Getenv(asChrun) != "" || os.Args[0] == helper.Name { // a helper has another environment
		os.Unsetenv(asChrun)
		main()
		os.Exit(0)
	}
	status := m.Run()
	if self.dir != "" {
		os.RemoveAll(self.dir)
	}
	os.Exit(status)
}

// self is a copy of the test binary that every user reaches.
var self struct {
	sync.Once
	dir, exe string
	err      error
}

// nobody is a uid that no account has.
var nobody = sync.OnceValue(func() int {
	for uid := 61400 + os.Getpid()%3900; ; uid++ {
		if _, err := user.LookupId(strconv.Itoa(uid)); err != nil {
			return uid
		}
	}
})

// box is a directory with all that a launch meets: a tree, the caller's home,
// and what is to stay as it is on the host.
type box struct {
	*testing.T
	dir      string
	uid, gid int
	env      []string
}

// newBox makes one for a plain user: us, or one without an account when root
// runs us.
func newBox(t *testing.T) *box {
	t.Helper()
	s := &self
	s.Do(func() {
		s.dir, s.err = os.MkdirTemp("/tmp", "chrun-cmd-")
		s.exe = filepath.Join(s.dir, "chrun")
		data, err := headless.TestBinary()
		s.err = errors.Join(s.err, err, os.WriteFile(s.exe, data, 0o755), os.Chmod(s.dir, 0o755))
	})
	dir, err := os.MkdirTemp("/tmp", "chrun-box-")
	if err = errors.Join(s.err, err, os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	b := &box{T: t, dir: dir, uid: os.Getuid(), gid: os.Getgid()}
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				os.Chmod(p, 0o755)
			}
			return nil
		})
		b.check(os.RemoveAll(dir))
	})
	if b.uid == 0 {
		b.uid, b.gid = nobody(), nobody()
	}
	for _, p := range []string{"host/dir", "tree/usr", "tree/bin", "tree/etc", "tree/dev", "tree/proc", "tree/sys", "tree/run", "tree/tmp", "tree/home", "caller"} {
		b.mkdir(p)
	}
	for _, p := range []string{"host", "host/dir", "caller"} { // the caller could write there
		b.check(os.Chown(b.at(p), b.uid, b.gid))
	}
	b.file("tree/bin/ok", exit42(t), 0o755)
	b.file("tree/etc/passwd", "root:x:0:0::/root:/bin/ok\n", 0o644)
	b.file("tree/etc/group", "root:x:0:\n", 0o644)
	b.file("tree/etc/resolv.conf", "", 0o644)
	b.file("host/dir/file", "of the host", 0o644)
	b.env = []string{"HOME=" + b.at("caller"), "PATH=/usr/bin:/bin", "LC_ALL=C"}
	return b
}

func (b *box) check(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *box) at(p string) string { return filepath.Join(b.dir, p) }

func (b *box) mkdir(p string) { b.Helper(); b.check(os.MkdirAll(b.at(p), 0o755)) }

func (b *box) file(p, content string, mode os.FileMode) {
	b.Helper()
	b.remove(p)
	// A test beside this one that forks now would keep the file open for
	// writing in its child, and executing it would be ETXTBSY.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	b.check(os.WriteFile(b.at(p), []byte(content), mode))
	b.check(os.Chmod(b.at(p), mode))
}

func (b *box) remove(p string) { b.Helper(); b.check(os.RemoveAll(b.at(p))) }

func (b *box) link(p, target string) {
	b.Helper()
	b.remove(p)
	b.check(os.Symlink(target, b.at(p)))
}

// seal takes the right to write the tree from its owner, who else than root
// would be the caller.
func (b *box) seal() {
	if os.Getuid() == 0 {
		return
	}
	filepath.WalkDir(b.at("tree"), func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			b.check(os.Chmod(p, 0o555))
		}
		return nil
	})
}

// sight describes everything below p.
func (b *box) sight(p string) string {
	b.Helper()
	var all strings.Builder
	filepath.WalkDir(b.at(p), func(p string, e fs.DirEntry, err error) error {
		b.check(err)
		var st unix.Stat_t
		b.check(unix.Lstat(p, &st))
		fmt.Fprintln(&all, p, st.Ino, st.Mode, st.Uid, st.Size, st.Mtim, st.Ctim)
		return nil
	})
	return all.String()
}

type result struct {
	out, err string
	status   int
}

// chrun runs chrun as the caller, within a deadline.
func (b *box) chrun(args ...string) result { b.Helper(); return b.as(b.uid, b.gid, args...) }

func (b *box) as(uid, gid int, args ...string) (r result) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self.exe, args...)
	cmd.Env = append(append([]string{asChrun + "=yes", "GORACE=atexit_sleep_ms=0"}, headless.CoverEnv(b)...), b.env...)
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		b.Fatalf("chrun %q hangs: %s", args, errs.String())
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// plan is what --dry-run=json says.
func (b *box) plan(args ...string) *session.Plan {
	b.Helper()
	got := b.chrun(append([]string{"-c", b.at("tree"), "--dry-run=json"}, args...)...)
	plan := &session.Plan{}
	if err := json.Unmarshal([]byte(got.out), plan); err != nil {
		b.Fatalf("%v: %+v", err, got)
	}
	return plan
}

// userns skips a test where the caller may not make user namespaces.
func (b *box) userns() {
	b.Helper()
	b.seal()
	defer func() {
		filepath.WalkDir(b.at("tree"), func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				os.Chmod(p, 0o755)
			}
			return nil
		})
	}()
	if got := b.chrun("-c", b.at("tree"), "ok"); strings.Contains(got.err, "cannot make a user namespace") {
		headless.Must(b, "userns", errors.New(got.err))
	}
}

// exit42 is an ELF program that exits with 42 and needs nothing.
func exit42(t testing.TB) string {
	machine, code := uint16(62), []byte{0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05} // mov $42,%edi; mov $60,%eax; syscall
	switch runtime.GOARCH {
	case "amd64":
	case "arm64": // mov x0,#42; mov x8,#93; svc #0
		machine, code = 183, nil
		for _, w := range []uint32{0xd2800540, 0xd2800ba8, 0xd4000001} {
			code = binary.LittleEndian.AppendUint32(code, w)
		}
	default:
		t.Skip("no machine code for " + runtime.GOARCH)
	}
	const base, start = 0x400000, 64 + 56
	b := make([]byte, start)
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], 2) // ET_EXEC
	le.PutUint16(b[18:], machine)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[24:], base+start) // entry
	le.PutUint64(b[32:], 64)         // program headers
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], 1)
	le.PutUint32(b[64:], 1) // PT_LOAD
	le.PutUint32(b[68:], 5) // r-x
	size := uint64(start + len(code))
	for i, v := range []uint64{0, base, base, size, size, 0x1000} {
		le.PutUint64(b[72+8*i:], v)
	}
	return string(append(b, code...))
}
