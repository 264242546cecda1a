package bridge

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"chrun/desktop"
	"chrun/session"
)

// The exit status of xdg-open(1), which scripts and toolkits know.
const (
	statusSyntax  = 1
	statusMissing = 2
	statusNoTool  = 3
	statusFailed  = 4
)

// Command is xdg-open(1) inside: it opens its arguments on the host.
type Command struct {
	Name           string // under which it was started: one of desktop.Openers
	Args           []string
	Caller         *session.Caller // who runs it
	Version        string          // of chrun
	Stdout, Stderr io.Writer
}

// Run opens the arguments and returns the exit status.
func (c *Command) Run() (status int) {
	return c.run(string(session.PathMapFile), string(desktop.OpenSocket))
}

func (c *Command) run(pathMap, socket string) (status int) {
	usage := c.Name + " FILE|URL: opens it with the host's desktop (chrun, feature host-open)\n"
	args := c.Args
	if len(args) > 1 && args[0] == "--" {
		args = args[1:]
	}
	switch {
	case len(args) == 0 || len(args) > 1 && c.Name != "sensible-browser":
		io.WriteString(c.Stderr, usage)
		return statusSyntax
	case args[0] == "--help" || args[0] == "--manual":
		io.WriteString(c.Stdout, usage)
		return 0
	case args[0] == "--version":
		fmt.Fprintf(c.Stdout, "%s of chrun %s\n", c.Name, c.Version)
		return 0
	case strings.HasPrefix(args[0], "-"):
		return c.fail(statusSyntax, fmt.Errorf("unexpected option %q", args[0]))
	}
	client, err := newClient(c.Caller, pathMap, socket)
	if err != nil {
		return c.fail(statusFailed, err)
	}
	client.Note = func(text string) { fmt.Fprintf(c.Stderr, "%s: note: %s\n", c.Name, session.Printable(text)) }
	for _, arg := range args {
		target, err := Parse(arg, c.Caller.Hostname)
		if err == nil {
			err = client.Open(target)
		}
		if err != nil {
			return c.failOpen(arg, err)
		}
	}
	return 0
}

// newClient returns a client for what this launch offers: chrun's server at
// socket if it exists, else the portal.
func newClient(caller *session.Caller, pathMap, socket string) (*Client, error) {
	paths, err := os.ReadFile(pathMap)
	if err != nil {
		return nil, errors.New("cannot open anything on the host: this program was not started by chrun, or without the feature host-open")
	}
	c := &Client{Paths: session.ParsePathMap(paths), Token: caller.Env.Get("XDG_ACTIVATION_TOKEN"), OpenAt: OpenAtHostPath}
	if c.Token == "" {
		c.Token = caller.Env.Get("DESKTOP_STARTUP_ID")
	}
	if _, err := os.Stat(socket); err == nil {
		c.Socket = socket
	} else {
		c.Bus = desktop.BusSocket(caller)
	}
	return c, nil
}

// failOpen prints why an argument could not be opened.
func (c *Command) failOpen(arg string, err error) (status int) {
	var missing *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &missing):
		return c.fail(statusMissing, fmt.Errorf("cannot open %q: %w", arg, missing.Err))
	case errors.Is(err, ErrNoOpener):
		c.fail(statusNoTool, fmt.Errorf("cannot open %q on the host: %w", arg, err))
		fmt.Fprintf(c.Stderr, "%s: hint: on the host, install xdg-desktop-portal and xdg-desktop-portal-gtk; or use the chroot's own programs: chrun --deny host-open ...\n", c.Name)
		return statusNoTool
	}
	return c.fail(statusFailed, err)
}

func (c *Command) fail(status int, err error) int {
	fmt.Fprintf(c.Stderr, "%s: %s\n", c.Name, session.Printable(err.Error()))
	return status
}
