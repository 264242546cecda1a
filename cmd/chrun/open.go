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

// runBridge runs this program as one of the commands of package bridge, if it was
// started under such a name.
func runBridge(args []string) (status int, ok bool) {
	if len(args) == 3 && args[0] == bridge.HostPathName {
		return bridge.ServeHostPath(args[1], args[2]), true
	}
	if len(args) == 0 || !slices.Contains(desktop.Openers, path.Base(args[0])) {
		return 0, false
	}
	c := bridge.Command{Name: path.Base(args[0]), Args: args[1:], Version: cli.Version(), Stdout: os.Stdout, Stderr: os.Stderr,
		Caller: cli.NewCaller(os.Getuid(), os.Getgid(), session.Environ(os.Environ()))}
	return c.Run(), true
}
