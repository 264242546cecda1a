package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"chrun/desktop"
	"chrun/desktop/bridge"
	"chrun/session"
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
	name := path.Base(args[0])
	if len(args) != 2 || args[1] == "--help" || args[1] == "--manual" {
		fmt.Printf("%s FILE|URL: the host's desktop opens it (chrun, feature host-open)\n", name)
		if len(args) == 2 {
			return 0, true
		}
		return 1, true // xdg-open(1): error in the command line
	}
	if args[1] == "--version" {
		fmt.Printf("%s of chrun %s\n", name, version)
		return 0, true
	}
	err := openOnHost(args[1])
	if err == nil {
		return 0, true
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 2, true
	case errors.Is(err, bridge.ErrNobody):
		fmt.Fprintf(os.Stderr, "%s: hint: install xdg-desktop-portal on the host, or: chrun --deny host-open ...\n", name)
		return 3, true
	}
	return 4, true
}

func openOnHost(what string) error {
	env := session.Environ(os.Environ())
	places, err := os.ReadFile(string(session.PlacesFile))
	if err != nil {
		return errors.New("cannot open anything on the host: this is no program that chrun has started")
	}
	caller := newCaller(env)
	target, err := bridge.Parse(what, string(cwd()), caller.Hostname)
	if err != nil {
		return err
	}
	token := env.Get("XDG_ACTIVATION_TOKEN")
	if token == "" {
		token = env.Get("DESKTOP_STARTUP_ID")
	}
	c := bridge.Client{UID: caller.UID, Bus: desktop.BusAddress(caller), Socket: string(desktop.OpenSocket),
		Places: session.ReadPlaces(places), Token: token, Elsewhere: bridge.Namesake}
	if _, err := os.Stat(c.Socket); err == nil {
		c.Bus = nil // chrun knew that there is no portal
	}
	return c.Open(target)
}
