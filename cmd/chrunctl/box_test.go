package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"chrun/internal/cli"
	"chrun/internal/headless"
)

// If this variable is set, the test binary is chrunctl; the value is the directory
// of the configuration for all users.
const asChrunctl = "CHRUN_TEST_AS_CHRUNCTL"

func TestMain(m *testing.M) {
	if system := os.Getenv(asChrunctl); system != "" {
		c := newCommand(cli.NewCaller(os.Getuid(), os.Getgid(), os.Environ()), system, os.Stdout, os.Stderr)
		os.Exit(c.run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// box is a directory with a home, chroot trees, and the configuration for all users.
type box struct {
	*testing.T
	dir, exe string
	uid      int // owner of the home
}

func newBox(t *testing.T) *box {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "chrunctl-")
	b := &box{T: t, dir: dir, uid: os.Getuid(), exe: filepath.Join(dir, "chrunctl")}
	b.check(err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	if b.uid == 0 {
		b.uid = 61234 // not an account
	}
	b.check(os.Chmod(dir, 0o755))
	data, err := headless.TestBinary()
	b.check(errors.Join(err, os.WriteFile(b.exe, data, 0o755), os.Chmod(b.exe, 0o755)))
	for _, p := range []string{"home", "etc", "mnt/a/usr", "mnt/b/bin", "mnt/none"} {
		b.check(os.MkdirAll(b.at(p), 0o755))
	}
	b.check(errors.Join(os.Chmod(b.at("etc"), 0o755), os.Chown(b.at("home"), b.uid, -1)))
	return b
}

func (b *box) check(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *box) at(p string) string { return filepath.Join(b.dir, p) }

func (b *box) file(p, content string) {
	b.Helper()
	b.check(errors.Join(os.MkdirAll(filepath.Dir(b.at(p)), 0o755), os.WriteFile(b.at(p), []byte(content), 0o644), os.Chown(b.at(p), b.uid, -1)))
	for dir := filepath.Dir(b.at(p)); dir != b.at("home") && dir != b.dir; dir = filepath.Dir(dir) {
		b.check(os.Chown(dir, b.uid, -1))
	}
}

func (b *box) read(p string) string {
	data, _ := os.ReadFile(b.at(p))
	return string(data)
}

func (b *box) command(uid int, args ...string) *exec.Cmd {
	cmd := exec.Command(b.exe, args...)
	cmd.Dir = b.at("mnt")
	cmd.Env = append([]string{asChrunctl + "=" + b.at("etc/chrun"), "HOME=" + b.at("home"), "XDG_CONFIG_HOME=" + b.at("home/.config"), "GORACE=atexit_sleep_ms=0"}, headless.CoverEnv(b)...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	return cmd
}

// columns matches the gaps between columns: their width depends on the name of the box.
var columns = regexp.MustCompile(` {2,}`)

// run runs chrunctl and returns its output and exit status, with @ for the path of
// the box.
func (b *box) run(uid int, args ...string) string {
	b.Helper()
	cmd := b.command(uid, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	text := columns.ReplaceAllString(strings.ReplaceAll(out.String(), b.dir, "@"), "  ")
	if status := cmd.ProcessState.ExitCode(); status != 0 {
		text += fmt.Sprintf("[%d]\n", status)
	}
	return text
}

// script runs commands in order. A line that begins with "> " is a command, with @
// for the path of the box; the lines below it are the expected output.
func (b *box) script(uid int, text string) {
	b.Helper()
	for _, step := range strings.Split("\n"+strings.TrimSpace(text), "\n> ")[1:] {
		line, want, _ := strings.Cut(step, "\n")
		if want = strings.TrimSpace(want); want != "" {
			want += "\n"
		}
		args := strings.Split(strings.ReplaceAll(line, "@", b.dir), " ")
		if got := b.run(uid, args...); got != want {
			b.Errorf("chrunctl %s\ngot:\n%swant:\n%s", line, got, want)
		}
	}
}
