package launch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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
)

// deadline is how long a launch may take.
const deadline = time.Minute

// unusedUID returns a uid without an account. It differs between concurrent runs.
var unusedUID = sync.OnceValue(func() int {
	for uid := 61300 + os.Getpid()%4000; ; uid++ {
		if _, err := user.LookupId(strconv.Itoa(uid)); err != nil {
			return uid
		}
	}
})

// plain returns an ordinary user: the one who runs the tests or, if that is root,
// a user without an account.
func plain(t *testing.T) *caller {
	t.Helper()
	c := &caller{"user", os.Getuid(), os.Getgid()}
	if c.UID == 0 {
		c.UID, c.GID = unusedUID(), unusedUID()+1
	}
	headless.Must(t, "userns", probeUserns(t, c))
	return c
}

// probeUserns returns an error if a user cannot make namespaces here.
func probeUserns(t *testing.T, c *caller) error {
	probe, _ := tools(t)
	usernsProbe.Do(func() {
		if got := perform(t, setup{Caller: c, Argv: []string{probe, "userns"}}); got.status != 0 {
			usernsProbe.err = errors.New(got.err)
		}
	})
	return usernsProbe.err
}

var usernsProbe struct {
	sync.Once
	err error
}

// eachCaller runs a test as a plain user and, if root runs the tests, as root.
func eachCaller(t *testing.T, f func(*testing.T, *caller)) {
	t.Run("user", func(t *testing.T) { f(t, plain(t)) })
	t.Run("root", func(t *testing.T) {
		headless.Root(t)
		f(t, &caller{name: "root"})
	})
}

// tree is a small chroot tree that plain users cannot write.
type tree struct {
	*testing.T
	dir string // the parent of the tree
	at  string // the tree
}

// newTree makes a tree without the directories in omit.
func newTree(t *testing.T, omit ...string) *tree {
	t.Helper()
	probe, _ := tools(t)
	dir, err := os.MkdirTemp("/tmp", "chrun-tree-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				os.Chmod(p, 0o755)
			}
			return nil
		})
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	tr := &tree{T: t, dir: dir, at: filepath.Join(dir, "tree")}
	tr.check(os.Chmod(dir, 0o755))
	for _, d := range []string{"usr", "bin", "etc/ssl", "dev", "proc", "sys", "run", "tmp", "home/tester", "root"} {
		tr.mkdir(d)
	}
	for _, d := range omit {
		tr.check(os.RemoveAll(filepath.Join(tr.at, d)))
	}
	tr.check(os.Link(probe, filepath.Join(tr.at, "bin/probe")))
	tr.file("etc/passwd", "root:x:0:0::/root:/bin/probe\n", 0o644)
	tr.file("etc/group", "root:x:0:\n", 0o644)
	tr.file("etc/hostname", "tree\n", 0o644)
	return tr
}

func (t *tree) check(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *tree) mkdir(p string) string {
	t.Helper()
	p = filepath.Join(t.at, p)
	t.check(os.MkdirAll(p, 0o755))
	return p
}

func (t *tree) file(p, content string, mode os.FileMode) string {
	t.Helper()
	p = filepath.Join(t.at, p)
	t.check(os.MkdirAll(filepath.Dir(p), 0o755))
	t.check(os.WriteFile(p, []byte(content), mode))
	t.check(os.Chmod(p, mode))
	return p
}

// outside makes a directory on the host, outside the tree.
func (t *tree) outside(name string) string {
	t.Helper()
	p := filepath.Join(t.dir, name)
	t.check(os.MkdirAll(p, 0o755))
	return p
}

// chown makes a caller the owner of files.
func (t *tree) chown(c *caller, paths ...string) {
	t.Helper()
	for _, p := range paths {
		t.check(os.Lchown(p, c.UID, c.GID))
	}
}

// seal removes the owner's write permission, because the tree belongs to the
// caller if a plain user runs the tests.
func (t *tree) seal() {
	if os.Getuid() == 0 {
		return
	}
	filepath.WalkDir(t.at, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			t.check(os.Chmod(p, 0o555))
		}
		return nil
	})
}

func (t *tree) request(argv ...string) *request {
	r := &request{Tree: t.at}
	for _, a := range argv {
		r.Argv = append(r.Argv, []byte(a))
	}
	return r
}

// sum returns a checksum of the content and attributes of all files in the tree.
func (t *tree) sum() string {
	t.Helper()
	h := sha256.New()
	t.check(filepath.WalkDir(t.at, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		t.check(unix.Lstat(p, &st))
		fmt.Fprintln(h, p, st.Mode, st.Uid, st.Gid, st.Ino, st.Mtim, st.Ctim)
		if e.Type().IsRegular() {
			data, err := os.ReadFile(p)
			t.check(err)
			h.Write(data)
		}
		return nil
	}))
	return hex.EncodeToString(h.Sum(nil))
}

// result is how a process ended.
type result struct {
	out, err string
	status   int // 128+n when it died of signal n
	signal   syscall.Signal
}

// command prepares the process that s describes.
func command(t testing.TB, s setup) *exec.Cmd {
	t.Helper()
	_, self := tools(t)
	if s.Request != nil {
		s.Request.Self = self
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self)
	cmd.WaitDelay = time.Second
	cmd.Env = append([]string{setupVar + "=" + string(text), "CALLER=here", "GORACE=atexit_sleep_ms=0"}, headless.CoverEnv(t)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if s.Mounts != nil {
		cmd.SysProcAttr.Unshareflags = unix.CLONE_NEWNS
	}
	return cmd
}

// perform starts the process that s describes and waits until it ends.
func perform(t testing.TB, s setup) result {
	t.Helper()
	return wait(t, command(t, s), nil)
}

// wait runs cmd with the given standard input, nil for none.
func wait(t testing.TB, cmd *exec.Cmd, in []byte) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if in != nil {
		cmd.Stdin = bytes.NewReader(in)
	}
	start := time.Now()
	err := cmd.Run()
	if time.Since(start) >= deadline {
		t.Fatalf("it hangs: %s%s", out.String(), errs.String())
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatal(err)
	}
	return outcome(cmd, out.String(), errs.String())
}

func outcome(cmd *exec.Cmd, out, errs string) result {
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	r := result{out: out, err: errs, status: ws.ExitStatus()}
	if ws.Signaled() {
		r.signal, r.status = ws.Signal(), 128+int(ws.Signal())
	}
	return r
}

// expect checks the exit status and the standard output.
func (r result) expect(t testing.TB, status int, out string) {
	t.Helper()
	if r.status != status || r.out != out || status == 0 && r.err != "" {
		t.Errorf("status %d, stdout %q, stderr %q; want %d, %q", r.status, r.out, r.err, status, out)
	}
}

// waitFor waits until ok returns true.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline / 2); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not happen: %s", what)
		}
	}
}

// killProcess kills a process that a test has left running.
func killProcess(t testing.TB, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil || n < 2 {
		t.Fatalf("%q is not a process id", pid)
	}
	unix.Kill(n, unix.SIGKILL)
}

// elf returns a 64-bit ELF program with the given code, and with an interpreter
// unless that is "".
func elf(machine uint16, code []byte, interpreter string) string {
	const head, ph, base = 64, 56, 0x400000
	b := make([]byte, head+2*ph)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], 2) // ET_EXEC
	le.PutUint16(b[18:], machine)
	le.PutUint32(b[20:], 1)
	at := uint64(len(b) + len(interpreter) + 1)
	at = (at + 7) &^ 7
	le.PutUint64(b[24:], base+at) // entry
	le.PutUint64(b[32:], head)    // program headers
	le.PutUint16(b[52:], head)
	le.PutUint16(b[54:], ph)
	le.PutUint16(b[56:], 1)
	size := at + uint64(len(code))
	put := func(h []byte, kind, flags uint32, off, size uint64) {
		le.PutUint32(h, kind)
		le.PutUint32(h[4:], flags)
		for i, v := range []uint64{off, base + off, base + off, size, size, 0x1000} {
			le.PutUint64(h[8+8*i:], v)
		}
	}
	put(b[head:], 1, 5, 0, size) // PT_LOAD, r-x
	if interpreter != "" {
		le.PutUint16(b[56:], 2)
		put(b[head+ph:], 3, 4, head+2*ph, uint64(len(interpreter)+1))
	}
	b = append(append(b, interpreter...), 0)
	for uint64(len(b)) < at {
		b = append(b, 0)
	}
	return string(append(b, code...))
}

// pause returns this machine's e_machine and the code of a program that does
// nothing and has no runtime.
func pause(t testing.TB) (machine uint16, code []byte) {
	switch runtime.GOARCH {
	case "amd64": // 1: mov $34,%eax (pause); syscall; jmp 1b
		return 62, []byte{0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7}
	case "arm64": // mov x0..x3,#0; mov x8,#73 (ppoll); res #0; b to the first
		for _, w := range []uint32{0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928, 0xd4000001, 0x17fffffa} {
			code = binary.LittleEndian.AppendUint32(code, w)
		}
		return 183, code
	}
	t.Skip("no machine code for " + runtime.GOARCH)
	return 0, nil
}

// report is the output of "probe report".
type report struct {
	Args, Env [][]byte
	Cwd       string
	UID, GID  [3]int
	Groups    []int
	Umask     string
	Mounts    []string
	Files     map[string]string
	Pgrp      int
}

func (r result) report(t testing.TB) *report {
	t.Helper()
	var rep report
	if err := json.Unmarshal([]byte(r.out), &rep); err != nil {
		t.Fatalf("cannot parse the report: %v; status %d, %s%s", err, r.status, r.out, r.err)
	}
	return &rep
}

func (r *report) env() map[string]string {
	m := map[string]string{}
	for _, kv := range r.Env {
		name, value, _ := strings.Cut(string(kv), "=")
		m[name] = value
	}
	return m
}
