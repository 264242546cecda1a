package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"syscall"

	"chrun/internal/cli"
)

// execDoctor hands over to chrunctl doctor: the one beside chrun, else that on PATH.
// It returns only with an error.
func (c *command) execDoctor() error {
	args := slices.Concat([]string{"chrunctl", "doctor", "--"}, c.flags.Words("doctor"), []string{"--"}, c.flags.Command)
	var err error
	if exe, linkErr := os.Readlink("/proc/self/exe"); linkErr == nil {
		err = syscall.Exec(path.Join(path.Dir(exe), "chrunctl"), args, c.env)
	}
	if found, lookErr := exec.LookPath("chrunctl"); lookErr == nil {
		err = syscall.Exec(found, args, c.env)
	}
	return cli.WithHint(fmt.Errorf("cannot run chrunctl: %w", err), "it belongs beside chrun: install both, sudo make install")
}
