package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// copyPrograms copies the programs that are measured to where the session's user can
// run them: the checkout may be in root's home.
func (b *bench) copyPrograms(chrun string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(b.dir, name) }
	b.chrun, b.ctl, b.empty, b.bench = at("chrun"), at("chrunctl"), at("empty"), at("bench")
	for from, to := range map[string]string{chrun: b.chrun, filepath.Join(filepath.Dir(chrun), "chrunctl"): b.ctl, self: b.bench} {
		if err := copyProgram(from, to); err != nil {
			return err
		}
	}
	return b.buildEmpty()
}

// copyProgram copies a program and lets the kernel read it from the disk again when it
// starts, as after the machine's start: what the linker has just written starts more
// slowly, and what is written in one piece more quickly, because it is in memory in
// larger pieces than any user would have. On a tmpfs it stays so.
func copyProgram(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("%w: run make first", err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		return err
	}
	f, err := os.Open(to)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return os.NewSyscallError("fadvise", unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

// buildEmpty builds a Go program that does nothing.
func (b *bench) buildEmpty() error {
	source, linked := filepath.Join(b.dir, "empty.go"), filepath.Join(b.dir, "linked")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", linked, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build an empty program: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return copyProgram(linked, b.empty)
}
