package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// copyPrograms copies the programs that are measured to where the session's user can
// run them: the checkout may be in root's home.
func (b *bench) copyPrograms(chrun string) error {
	b.chrun, b.ctl, b.empty = filepath.Join(b.dir, "chrun"), filepath.Join(b.dir, "chrunctl"), filepath.Join(b.dir, "empty")
	for from, to := range map[string]string{chrun: b.chrun, filepath.Join(filepath.Dir(chrun), "chrunctl"): b.ctl} {
		if err := copyProgram(from, to); err != nil {
			return fmt.Errorf("%w: run make first", err)
		}
	}
	return b.buildEmpty()
}

// copyProgram copies a program, because one that the linker has just written starts
// more slowly.
func copyProgram(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
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
