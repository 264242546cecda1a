package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"chrun/internal/cli"
	"chrun/internal/request"
	"chrun/session/rootfs"
)

// applicationDirs change when programs of a chroot are installed or removed.
var applicationDirs = []rootfs.Path{"/usr/share/applications", "/usr/local/share/applications", "/var/lib/flatpak/exports/share/applications"}

// watchMenu returns a function for the end of a launch of root inside: it brings the
// menu up to date if programs were installed or removed. For other launches, and
// chroots without exports, it does nothing.
func (c *command) watchMenu(l *request.Launch) (end func()) {
	name := l.Choice.Chroot.Name
	if !l.Request.RootInside || name == "" || c.flags.Quiet || l.Caller.UID == 0 || l.Caller.UID != os.Getuid() {
		return func() {}
	}
	if _, err := os.Stat(filepath.Join(cli.StateDir(l.Caller), "exports", name)); err != nil {
		return func() {}
	}
	state := func() (s string) {
		for _, dir := range applicationDirs {
			if st, err := l.Root.Stat(dir); err == nil {
				s += fmt.Sprint(st.Ino, st.Mtim, " ")
			}
		}
		return s
	}
	before := state()
	return func() {
		if state() == before {
			return
		}
		program, err := os.Executable()
		if err != nil {
			return
		}
		sync := exec.Command(filepath.Join(filepath.Dir(program), "chrunctl"), "sync", "--changed", name)
		if _, err := os.Stat(sync.Path); err != nil {
			sync = exec.Command("chrunctl", "sync", "--changed", name)
		}
		sync.Env, sync.Stdout, sync.Stderr = c.env, stderr, stderr
		sync.Run() // the next chrunctl does it otherwise
	}
}
