package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"chrun/desktop"
	"chrun/desktop/bridge"
	"chrun/internal/cli"
	"chrun/session"
)

// The exit status of xdg-open(1), which scripts and toolkits know.
const (
	openSyntax  = 1
	openMissing = 2
	openNoTool  = 3
	openFailed  = 4
)

// open is chrun as the helper inside that opens links and files on the host, by
// the name under which it was started.
func open(args []string) (status int, ok bool) {
	if len(args) == 3 && args[0] == bridge.NamesakeName {
		return bridge.ServeNamesake(args[1], args[2]), true
	}
	if len(args) == 0 || !slices.Contains(desktop.Openers, path.Base(args[0])) {
		return 0, false
	}
	return openOnHost(path.Base(args[0]), args[1:]), true
}

func openOnHost(name string, args []string) (status int) {
	usage := name + " FILE|URL: the host's desktop opens it (chrun, feature host-open)\n"
	fail := func(status int, err error) int {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return status
	}
	if len(args) > 1 && args[0] == "--" {
		args = args[1:]
	}
	switch {
	case len(args) == 0 || len(args) > 1 && name != "sensible-browser":
		os.Stderr.WriteString(usage)
		return openSyntax
	case args[0] == "--help" || args[0] == "--manual":
		os.Stdout.WriteString(usage)
		return 0
	case args[0] == "--version":
		fmt.Printf("%s of chrun %s\n", name, cli.Version())
		return 0
	case strings.HasPrefix(args[0], "-"):
		return fail(openSyntax, fmt.Errorf("unexpected option %q", args[0]))
	}
	client, err := newClient()
	if err != nil {
		return fail(openFailed, err)
	}
	hostname, _ := os.Hostname()
	for _, arg := range args {
		target, err := bridge.Parse(arg, hostname)
		if err == nil {
			err = client.Open(target)
		}
		switch missing := (*fs.PathError)(nil); {
		case err == nil:
			continue
		case errors.Is(err, fs.ErrNotExist) && errors.As(err, &missing):
			return fail(openMissing, fmt.Errorf("cannot open %q: %w", arg, missing.Err))
		case errors.Is(err, bridge.ErrNobody):
			status = fail(openNoTool, fmt.Errorf("cannot open %q on the host: %w", arg, err))
			fmt.Fprintf(os.Stderr, "%s: hint: on the host, install xdg-desktop-portal and a backend of it, xdg-desktop-portal-gtk; or let the chroot's own programs open it: chrun --deny host-open ...\n", name)
			return status
		}
		return fail(openFailed, err)
	}
	return 0
}

// newClient is how the host is asked from inside.
func newClient() (*bridge.Client, error) {
	env := session.Environ(os.Environ())
	places, err := os.ReadFile(string(session.PathMapFile))
	if err != nil {
		return nil, errors.New("cannot open anything on the host: chrun has not started this program, or without the feature host-open")
	}
	caller := cli.NewCaller(os.Getuid(), os.Getgid(), env)
	c := &bridge.Client{UID: caller.UID, PathMap: session.ParsePathMap(places), Token: env.Get("XDG_ACTIVATION_TOKEN"), Elsewhere: bridge.Namesake}
	if c.Token == "" {
		c.Token = env.Get("DESKTOP_STARTUP_ID")
	}
	if _, err := os.Stat(string(desktop.OpenSocket)); err == nil {
		c.Socket = string(desktop.OpenSocket) // chrun knew that there is no portal
	} else {
		c.Bus = desktop.BusAddress(caller)
	}
	return c, nil
}
