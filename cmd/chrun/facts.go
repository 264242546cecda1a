package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// launchRequest is what is known and asked before the plan is made.
type launchRequest struct {
	facts    *session.Facts
	request  session.Request
	role     role
	named    string                         // the chroot's configured name
	system   bool                           // which is everybody's
	said     func(key, value string) string // where a file says it
	linux32  func() bool                    // whether the tree is a 32-bit system's
	noteHome func() error                   // records that the private home is this tree's
	foreign  int                            // the account's number, where its files in the tree are not the caller's
	notes    []string
	warnings []string
}

// systemDir holds everybody's configuration.
const systemDir = "/etc/chrun"

// newCaller reads who calls.
func newCaller(env session.Environ) *session.Caller {
	c := &session.Caller{UID: os.Getuid(), GID: os.Getgid(), Env: env, Host: "/", Listeners: session.OnceListeners()}
	c.Account = account.Host(c.UID, c.GID, c.Host, env.Get)
	if home := env.Get("HOME"); path.IsAbs(home) && c.UID != 0 {
		if st, err := os.Stat(home); err == nil && session.Owner(st) == c.UID {
			c.Account.Home = path.Clean(home) // what ~ means to the caller
		}
	}
	if dir := cwd(); dir != "" {
		c.Cwd = c.ByHome(dir)
	}
	c.Hostname, _ = os.Hostname()
	c.RuntimeDir = session.FindRuntimeDir(env, c.UID)
	if named := env.Get("XDG_RUNTIME_DIR"); c.RuntimeDir != "" && path.IsAbs(named) && path.Clean(named) != string(c.RuntimeDir) {
		if real, err := rootfs.RealHost(session.HostPath(named)); err == nil && real == c.RuntimeDir { // a link to it
			c.Env = append(session.Environ{"XDG_RUNTIME_DIR=" + string(real)}, env...)
		}
	}
	return c
}

// cwd is the working directory, "" if it cannot be named.
func cwd() session.HostPath {
	if dir, err := unix.Getwd(); err == nil && path.IsAbs(dir) {
		return session.HostPath(dir)
	}
	return ""
}

// source says where the caller's configuration is.
func source(c *session.Caller) config.Source {
	return config.Source{System: systemDir, Cwd: string(c.Cwd), Root: c.UID == 0,
		User: config.UserDir(c.Env.Get("XDG_CONFIG_HOME"), c.Account.Home),
		Home: func() string { return c.Account.Home },
		Feature: func(name string) error {
			_, err := desktop.Named(name)
			return err
		},
		Warn: func(err error) { fmt.Fprintln(os.Stderr, "chrun:", err) },
	}
}

// choose finds the chroot, as COMMAND sees it and before it the entry; said says where a file says
// something of it.
func choose(o *options, conf *config.Config, env session.Environ) (ch *config.Chroot, said func(key, value string) string, err error) {
	if ch, err = conf.Select(o.chroot, env.Get("CHRUN_CHROOT")); err != nil {
		return nil, nil, err
	}
	if len(o.argv) > 0 {
		ch = ch.For(o.argv[0])
	}
	if o.app != "" {
		ch = ch.For(o.app)
	}
	return ch, func(key, value string) string {
		at := conf.Where(ch.Name, key, value)
		if at == "" {
			at = ch.File // for one program
		}
		return at
	}, nil
}

// prepare finds the account inside, and reads what was asked.
func prepare(o *options, c *session.Caller, ch *config.Chroot, said func(key, value string) string, root *rootfs.Root, as role) (*launchRequest, error) {
	user := ""
	if o.user == "" && ch.User != "" {
		o.user, user = ch.User, said("user", ch.User)
	}
	l := &launchRequest{said: said, facts: &session.Facts{Caller: c, Root: root, Name: ch.Label()}, role: as,
		named: ch.Name, system: strings.HasPrefix(ch.File, systemDir+"/")}
	o.sudo = as.root || as.tree >= 0
	l.request = session.Request{Argv: o.argv, Interactive: terminal(0) && terminal(2), Bare: as.bare, Idmapped: as.tree >= 0}
	l.linux32 = func() bool { return ch.Personality == "linux32" || ch.Personality == "" && root.Is32() }
	switches := append(bySize(ch), o.switches...)
	for _, step := range []func() error{
		func() error { return located(l.account(o, ch, switches), user) },
		func() error { return l.home(o, ch) },
		func() error { return l.binds(o, ch) },
		func() error { return l.variables(o, ch) },
		func() error { return l.cwd(o) },
		func() error { return l.arguments(o) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// account decides who the program is inside.
func (l *launchRequest) account(o *options, ch *config.Chroot, switches []toggle) error {
	c, root := l.facts.Caller, l.facts.Root
	passwd, err := l.read("/etc/passwd")
	if err != nil {
		return err
	}
	host := c.Account
	host.UID, host.GID = c.UID, c.GID
	if shell := c.Env.Get("SHELL"); path.IsAbs(shell) {
		host.Shell = shell
	}
	a, known, err := account.Choose(account.Table(passwd), o.user, host, func(shell string) bool {
		return root.CanAccess(rootfs.Path(shell), unix.X_OK)
	})
	if err != nil {
		return err
	}
	if err := l.identity(o, ch, a, known); err != nil {
		return err
	}
	id := &l.facts.Identity
	l.request.Root = id.ShownUID == 0
	l.facts.Allowed = allowed(switches, l.request.Root, l.role.bare)
	number := a.UID
	a.UID, a.GID = id.ShownUID, id.ShownGID
	l.facts.Account = a
	l.facts.Home = homePath(c, a)
	if !known {
		l.facts.Account.Home = "" // not known there, so no home of it either
	}
	if l.role.bare {
		l.warnings = append(l.warnings, "entering as root, without a desktop")
	}
	if l.request.Root {
		return nil
	}
	if known && number != id.UID && (id.Kind == session.Match || id.Kind == session.Remap || id.Kind == session.Direct) {
		l.foreign = number
		l.notes = append(l.notes, fmt.Sprintf("account: %s has the number %d in the chroot: its files there are not yours", a.Name, number))
	}
	if id.Kind == session.Subid && known {
		return nil // and useradd must work: its passwd stays
	}
	inside := a
	inside.Home = string(l.facts.Home)
	if data, changed := account.Passwd(passwd, inside); changed {
		l.facts.AccountFiles = append(l.facts.AccountFiles, session.File{Path: "/etc/passwd", Data: data, Why: "the account " + a.Name})
	}
	group, err := l.read("/etc/group")
	if err != nil {
		return err
	}
	if data, changed := account.Group(group, id.ShownGID, c.Account.Name); changed {
		l.facts.AccountFiles = append(l.facts.AccountFiles, session.File{Path: "/etc/group", Data: data, Why: "the caller's group"})
	}
	return nil
}

// read reads a file of the tree that may be missing. One that is not a regular
// file is as good as missing; one too large is an error.
func (l *launchRequest) read(p rootfs.Path) ([]byte, error) {
	data, err := l.facts.Root.Read(p)
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return data, nil
	case errors.Is(err, rootfs.ErrTooLarge):
		return nil, fmt.Errorf("cannot read %s of the chroot: larger than %d MiB", p, rootfs.MaxFile>>20)
	}
	l.notes = append(l.notes, fmt.Sprintf("%s of the chroot is left out: %v", p, errors.Unwrap(err)))
	return nil, nil
}

// homePath is HOME inside: the host home's path.
func homePath(c *session.Caller, a account.Account) session.Path {
	if a.UID == 0 {
		return "/root"
	}
	if home := path.Clean(c.Account.Home); path.IsAbs(home) && home != "/" {
		return session.Path(home)
	}
	return session.Path("/home").Join(a.Name)
}

func (l *launchRequest) home(o *options, ch *config.Chroot) error {
	c := l.facts.Caller
	state, data := config.StateDir(c.Env.Get("XDG_STATE_HOME"), c.Account.Home), config.DataDir(c.Env.Get("XDG_DATA_HOME"), c.Account.Home)
	l.request.HomeStore, l.noteHome = config.HomeFor(state, data, l.facts.Root.Dir(), ch)
	mode := o.home
	at := ""
	if mode == "" && ch.Home != "" {
		mode, at = ch.Home, l.said("home", ch.Home)
	}
	switch m := session.HomeMode(mode); {
	case mode == "":
		l.request.Home = session.HomeAuto
	case m == session.HomeAuto || m == session.HomePrivate || m == session.HomeHost || m == session.HomeTemporary:
		l.request.Home = m
	case !strings.ContainsAny(mode, "/~."):
		return usageError{fmt.Errorf("--home=%s: it is auto, private, host, temporary or a directory (./%s)", mode, mode)}
	default:
		l.request.Home, l.request.HomeAt = session.HomeDir, l.hostPath(mode)
		if st, err := os.Stat(string(l.request.HomeAt)); err != nil || !st.IsDir() {
			return located(fmt.Errorf("cannot use %q as home: no such directory", mode), at)
		}
	}
	return nil
}

// hostPath makes a path of the command line absolute: ~/ is the caller's home.
func (l *launchRequest) hostPath(p string) session.HostPath {
	c := l.facts.Caller
	if p == "~" || strings.HasPrefix(p, "~/") {
		return session.HostPath(path.Join(c.Account.Home, p[1:]))
	}
	if !path.IsAbs(p) {
		return c.Cwd.Join(p)
	}
	return session.HostPath(path.Clean(p))
}

func (l *launchRequest) binds(o *options, ch *config.Chroot) error {
	for i, s := range slices.Concat(ch.Bind, o.bind) {
		source, dest, ro, err := config.ParseBind(s)
		if err != nil {
			return usageError{fmt.Errorf("--bind %w", err)}
		}
		b := session.Bind{Source: l.hostPath(source), Dest: session.Path(dest), ReadOnly: ro, Required: true, Why: "asked for"}
		if dest == "" {
			b.Dest = session.Path(b.Source)
		}
		if _, err := os.Stat(string(b.Source)); err != nil {
			at := ""
			if i < len(ch.Bind) {
				at = l.said("bind", s)
			}
			return located(fmt.Errorf("cannot share %s: %w", b.Source, cause(err)), at)
		}
		if b.Dest == "/" {
			return usageError{fmt.Errorf("--bind %q: it would cover the whole chroot", s)}
		}
		l.request.Binds = append(l.request.Binds, b)
	}
	return nil
}

func (l *launchRequest) variables(o *options, ch *config.Chroot) error {
	for name, value := range ch.Env {
		l.request.Env = append(l.request.Env, session.Var{Name: name, Value: value})
	}
	for _, s := range o.env {
		name, value, ok := strings.Cut(s, "=")
		if name == "" || strings.ContainsAny(s, "\x00") {
			return usageError{fmt.Errorf("--env %q: the form is NAME or NAME=VALUE", s)}
		}
		if !ok {
			if value, ok = l.facts.Caller.Env.Lookup(name); !ok {
				continue // as env(1) of a variable that is not set
			}
		}
		l.request.Env = append(l.request.Env, session.Var{Name: name, Value: value})
	}
	for _, name := range o.unsetEnv {
		if name == "" || strings.Contains(name, "=") {
			return usageError{fmt.Errorf("--unset-env %q: the form is NAME", name)}
		}
	}
	l.request.UnsetEnv = o.unsetEnv
	return nil
}

func (l *launchRequest) cwd(o *options) error {
	if o.cwd == "" {
		return nil
	}
	switch {
	case o.cwd == "~" || strings.HasPrefix(o.cwd, "~/"):
		l.request.Cwd = l.facts.Home.Join(o.cwd[1:])
	case path.IsAbs(o.cwd):
		l.request.Cwd = session.Path(path.Clean(o.cwd))
	default:
		l.request.Cwd = session.Path(l.facts.Caller.Cwd).Join(o.cwd)
	}
	return nil
}

// arguments lets the features see what is named on the command line.
func (l *launchRequest) arguments(o *options) error {
	l.facts.Argv = o.argv
	if o.cwd == "" {
		l.facts.Base = l.facts.Caller.Cwd
	}
	return nil
}

// environment says how the caller's variables are treated.
func (l *launchRequest) environment() session.Environment {
	login := account.ReadLogin(l.facts.Root.Read, l.request.Root)
	vars := []session.Var{{Name: "PATH", Value: login.Path}}
	for _, v := range []session.Var{{Name: "XDG_DATA_DIRS", Value: login.DataDirs}, {Name: "XDG_CONFIG_DIRS", Value: login.ConfigDirs}} {
		if v.Value != "" {
			vars = append(vars, v)
		}
	}
	lacks := map[string]string{}
	for _, k := range desktop.Lacks(l.facts.Root, l.facts.Caller.Env) {
		lacks[k.Name] = k.Note
	}
	return session.Environment{Login: vars, Keep: func(name, value string) (bool, string) {
		if why, ok := lacks[name]; ok {
			return false, why
		}
		return desktop.Keep(name, value, l.facts.Home)
	}}
}

// list prints the known chroots.
func list(conf *config.Config) error {
	all, err := conf.All()
	for _, ch := range all {
		mark := ""
		if ch.Name == conf.Default {
			mark = "  (default)"
		}
		fmt.Printf("%s\t%s%s\n", ch.Name, ch.Path, mark)
	}
	if err == nil && len(all) == 0 {
		fmt.Fprintln(os.Stderr, "chrun: no chroot is configured; any directory can be named: -c DIR")
	}
	return err
}
