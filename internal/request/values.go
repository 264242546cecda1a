package request

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// resolveHome reads --home and the key home: a mode or a directory, which the caller
// can write unless the program has another uid.
func resolveHome(c *session.Caller, kind session.Kind, home Setting) (mode session.HomeMode, dir session.HostPath, err error) {
	switch {
	case home.Value == "":
		return session.HomeAuto, "", nil
	case cli.Has(cli.HomeModes, home.Value):
		return session.HomeMode(home.Value), "", nil
	case !strings.ContainsAny(home.Value, "/~."):
		return "", "", &cli.UsageError{Err: fmt.Errorf("--home does not accept %q: it is auto, private, host, temporary or a directory (./%[1]s)", home.Value)}
	}
	dir = cli.HostPath(c, home.Value)
	st, err := os.Stat(string(dir))
	hint := "name a directory that you can write to, or --home=private"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errors.New("no such directory")
		hint = "mkdir " + session.QuoteInHome(string(dir), c.Account.Home) + ", or --home=private"
	case err == nil && !st.IsDir():
		err = unix.ENOTDIR
	case err == nil && kind != session.Grant && unix.Access(string(dir), unix.W_OK|unix.X_OK) != nil:
		err = errors.New("you cannot write to it")
	}
	if err != nil {
		return "", "", cli.WithHint(cli.Locate(fmt.Errorf("cannot use %q as home: %w", home.Value, cli.Cause(err)), home.Origin.String()), hint)
	}
	if rootfs.IsSameFile(dir, rootfs.HostPath(c.Account.Home)) {
		return session.HomeHost, "", nil
	}
	return session.HomeDir, dir, nil
}

// homeStore is where the private home of a chroot is, and how that is recorded.
func homeStore(c *session.Caller, tree rootfs.HostPath, ch *config.Chroot) (home session.HostPath, record func() error, err error) {
	if home, record, err = config.PrivateHome(cli.StateDir(c), cli.DataDir(c), tree, ch); err != nil {
		err = fmt.Errorf("cannot find the home of the chroot: %w", err)
	}
	return home, record, err
}

// resolveBinds reads --bind and the key bind. Sources must exist.
func resolveBinds(in Input) (binds []session.Bind, err error) {
	configured := in.Choice.Bind
	for i, s := range slices.Concat(configured, in.Flags.Bind) {
		source, dest, readOnly, err := config.ParseBind(s)
		if err != nil {
			return nil, &cli.UsageError{Err: fmt.Errorf("--bind %w", err)}
		}
		b := session.Bind{Source: cli.HostPath(in.Caller, source), Dest: session.Path(dest), ReadOnly: readOnly, Required: true, Why: "asked for"}
		if dest == "" {
			b.Dest = session.Path(b.Source)
		}
		if _, err := os.Stat(string(b.Source)); err != nil {
			at := ""
			if i < len(configured) {
				at = in.Choice.Origin("bind", s).String()
			}
			return nil, cli.Locate(fmt.Errorf("cannot share %s: %w", b.Source, cli.Cause(err)), at)
		}
		if b.Dest == "/" {
			return nil, &cli.UsageError{Err: fmt.Errorf("--bind %q: it would cover the whole chroot", s)}
		}
		binds = append(binds, b)
	}
	return binds, nil
}

// resolveVariables reads the table env, then --env, which wins.
func resolveVariables(in Input) (vars []session.Var, err error) {
	for name, value := range in.Choice.Env {
		vars = append(vars, session.Var{Name: name, Value: value})
	}
	for _, s := range in.Flags.Env {
		name, value, ok := strings.Cut(s, "=")
		if name == "" || strings.ContainsAny(s, "\x00") {
			return nil, &cli.UsageError{Err: fmt.Errorf("--env %q: the form is NAME or NAME=VALUE", s)}
		}
		if !ok {
			if value, ok = in.Caller.Env.Lookup(name); !ok {
				continue // like env(1) for a variable that is not set
			}
		}
		vars = append(vars, session.Var{Name: name, Value: value})
	}
	for _, name := range in.Flags.UnsetEnv {
		if name == "" || strings.Contains(name, "=") {
			return nil, &cli.UsageError{Err: fmt.Errorf("--unset-env %q: the form is NAME", name)}
		}
	}
	return vars, nil
}

// resolveCwd reads --cwd: a directory inside, relative to the caller's working
// directory. "" is the caller's.
func resolveCwd(dir string, cwd session.HostPath, home session.Path) session.Path {
	switch {
	case dir == "":
		return ""
	case dir == "~" || strings.HasPrefix(dir, "~/"):
		return home.Join(dir[1:])
	case path.IsAbs(dir):
		return session.Path(path.Clean(dir))
	}
	return session.Path(cwd).Join(dir)
}
