package test

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chrun/internal/headless"
)

// If a seccomp filter makes clone3 fail with ENOSYS, as Docker's does, the hint
// names seccomp and not an old kernel.
func TestSeccomp(t *testing.T) {
	d := openDesktop(t, headless.Options{})
	file := filepath.Join(headless.Dir(t, d.User), "filter")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = binary.Write(f, binary.NativeEndian, []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLONE3, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x00050000 | uint32(unix.ENOSYS)}, // SECCOMP_RET_ERRNO
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000},                       // SECCOMP_RET_ALLOW
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := d.Command(ctx, "sh", "-c", `exec bwrap --dev-bind / / --seccomp 3 "$@" 3<`+file, "sh", chrunProgram, "-c", d.chroot, "true")
	cmd.Dir = "/tmp"
	out, err := cmd.CombinedOutput()
	exit, _ := err.(*exec.ExitError)
	text := string(out)
	if exit == nil || exit.ExitCode() != 125 || !strings.Contains(text, "clone: function not implemented\nchrun: hint: Linux ") ||
		!strings.Contains(text, "seccomp") || strings.Contains(text, "5.12") {
		t.Errorf("%v: %s", err, text)
	}
}
