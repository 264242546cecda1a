package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"chrun/internal/headless"
)

// A launch is one case: how chrun or chrunctl is called.
type launch struct {
	name   string
	root   bool // root calls
	sudo   bool // … for the caller
	words  []string
	export bool
	renew  bool // the caller's home is empty before each launch
	grants bool // it changes lists of hosts
}

// launches are all cases, the longest first.
var launches = []launch{
	{name: "export", export: true, renew: true, words: []string{"chrunctl", "export", "system", "--all"}},
	{name: "grant", root: true, sudo: true, grants: true, words: inside("-c", "system", "--identity=grant", "-u", "stranger")},
	{name: "match", words: inside("-c", "system")},
	{name: "remap", words: inside("-c", "system", "--identity=remap", "-u", "dev")},
	{name: "subid", words: inside("-c", "own")},
	{name: "subid-root", words: inside("-c", "own", "-u", "root")},
	{name: "idmap", root: true, sudo: true, words: inside("-c", "system", "--identity=idmap", "-u", "stranger")},
	{name: "root-inside", root: true, sudo: true, words: inside("-c", "system", "-u", "root")},
	{name: "root", root: true, words: inside("-c", "system")},
	{name: "new-home", renew: true, words: inside("-c", "system", "--home=private")},
}

func inside(flags ...string) []string {
	return append(append([]string{"chrun", "-v"}, flags...), "--", programName)
}

// command is the case's command.
func (l *launch) command(w *world) *exec.Cmd {
	cmd := w.command(true, l.words...)
	if !l.root {
		cmd.Path, cmd.Args = filepath.Join(w.bin, programName), append([]string{asCallerName, cmd.Path}, cmd.Args...)
	}
	if l.root {
		cmd.Env = slices.DeleteFunc(slices.Clone(w.Env), func(v string) bool {
			name, _, _ := strings.Cut(v, "=")
			return slices.Contains([]string{"HOME", "USER", "LOGNAME", "SHELL"}, name)
		})
		cmd.Env = append(cmd.Env, "HOME=/root")
	}
	if l.sudo {
		cmd.Env = append(cmd.Env, fmt.Sprint("SUDO_UID=", w.caller.UID), "SUDO_USER="+w.caller.Name)
	}
	if l.root && !l.sudo {
		cmd.Env = []string{"HOME=/root", "PATH=" + os.Getenv("PATH"), "USER=root", "LOGNAME=root"}
	}
	return cmd
}

// asCallerName is the name of this program when it becomes the caller.
const asCallerName = "faults-as-caller"

// becomeCaller executes the command line as the caller. A process that root has
// followed from its start may still execute setuid programs (ptrace(2)).
func becomeCaller() error {
	u, err := headless.TestUser()
	if err != nil {
		return err
	}
	if err := errors.Join(syscall.Setgroups(u.Groups), syscall.Setresgid(u.GID, u.GID, u.GID), syscall.Setresuid(u.UID, u.UID, u.UID)); err != nil {
		return err
	}
	return syscall.Exec(os.Args[1], os.Args[2:], os.Environ())
}
