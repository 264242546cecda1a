package main

import (
	"os"
	"path"
	"slices"

	"chrun/desktop"
	"chrun/desktop/bridge"
	"chrun/internal/cli"
	"chrun/session"
)

// runBridge runs this program as one of the commands of package bridge. The opener
// is recognized by where it is mounted: programs start it under many names, which
// are links to it (/usr/bin/open in Debian).
func runBridge(args []string) (status int, ok bool) {
	if len(args) == 3 && args[0] == bridge.HostPathName {
		return bridge.ServeHostPath(args[1], args[2]), true
	}
	exe, err := os.Executable() // read at the start of every Go program
	name := path.Base(exe)
	if err != nil || len(args) == 0 || !slices.Contains(desktop.Openers, name) {
		return 0, false
	}
	c := bridge.Command{Name: name, Args: args[1:], Version: cli.Version(), Stdout: stdout, Stderr: stderr,
		Caller: cli.NewCaller(os.Getuid(), os.Getgid(), session.Environ(os.Environ()))}
	return c.Run(), true
}
