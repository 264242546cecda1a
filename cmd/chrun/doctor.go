package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"chrun/internal/cli"
	"chrun/internal/request"
	"chrun/session"
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

// nameDoctor names the doctor on a terminal after a program that failed: if this launch
// had warned of a feature, or if the program died of a fault. An exit status alone
// says nothing: grep has 1, too.
func (c *command) nameDoctor(l *request.Launch, status unix.WaitStatus) {
	warned := (l.FeatureWarned || l.NoDisplay != "") && status != 0
	crashed := status.Signaled() && slices.Contains([]unix.Signal{unix.SIGABRT, unix.SIGTRAP, unix.SIGSYS, unix.SIGILL}, status.Signal())
	if (warned || crashed) && !c.flags.Quiet && c.flags.Doctor == "" && cli.IsTerminal(2) {
		stderr.Line("chrun", "hint: what works and what does not: "+doctorLine(c.flags))
	}
}

// doctorLine is the command that says why this launch does not work.
func doctorLine(f *cli.Flags) string {
	words := append([]string{"chrun", "--doctor"}, f.Words("doctor", "app", "any-cwd", "verbose", "quiet")...)
	return session.Quote(append(words, f.Command...)...)
}
