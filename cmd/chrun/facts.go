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
	named    string                         // the chroot's configured name
	said     func(key, value string) string // where a file says it
	linux32  func() bool                    // whether the tree is a 32-bit system's
	noteHome func() error                   // records that the private home is this tree's
	notes    []string
	warnings []string
}

// newCaller reads who calls.
func newCaller(env session.Environ) *session.Caller {
	c := &session.Caller{UID: os.Getuid(), GID: os.Getgid(), Env: env, Host: "/", Listeners: session.OnceListeners()}
	c.Account = account.Host(c.UID, c.GID, c.Host, env.Get)
	if home := env.Get("HOME"); path.IsAbs(home) && c.UID != 0 {
		if st, err := os.Stat(home); err == nil && session.Owner(st) == c.UID {
			c.Account.Home = path.Clean(home) // what ~ means to the caller
		}
	}
	if cwd, err := unix.Getwd(); err == nil && path.IsAbs(cwd) {
		c.Cwd = c.ByHome(session.HostPath(cwd))
	}
	c.Hostname, _ = os.Hostname()
	c.RuntimeDir = session.FindRuntimeDir(env, c.UID)
	return c
}

func loadConfig(c *session.Caller) (*config.Config, error) {
	src := config.Source{System: "/etc/chrun", Cwd: string(c.Cwd), Root: c.UID == 0,
		User: config.UserDir(c.Env.Get("XDG_CONFIG_HOME"), c.Account.Home),
		Home: func() string { return c.Account.Home },
		Feature: func(name string) error {
			_, err := desktop.Named(name)
			return err
		},
		Warn: func(err error) { fmt.Fprintln(os.Stderr, "chrun:", err) },
	}
	return config.Load(src)
}

// prepare finds the chroot and the account inside, and reads what was asked.
func prepare(o *options, c *session.Caller, conf *config.Config) (*launchRequest, error) {
	ch, err := conf.Select(o.chroot, c.Env.Get("CHRUN_CHROOT"))
	if err != nil {
		return nil, err
	}
	if len(o.argv) > 0 {
		ch = ch.For(o.argv[0])
	}
	said := func(key, value string) string {
		at := conf.Where(ch.Name, key, value)
		if at == "" {
			at = ch.File // for one program
		}
		return at
	}
	user := ""
	if o.user == "" && ch.User != "" {
		o.user, user = ch.User, said("user", ch.User)
	}
	if err := checkUser(o, c, ch); err != nil {
		return nil, err
	}
	root, err := rootfs.Open(ch.Path)
	if err != nil {
		return nil, located(&chrootError{ch.Path, err}, said("path", ""))
	}
	l := &launchRequest{said: said, facts: &session.Facts{Caller: c, Root: root, Name: ch.Label()}, named: ch.Name}
	l.request = session.Request{Argv: o.argv, Root: c.UID == 0, Interactive: terminal(0) && terminal(2)}
	l.linux32 = func() bool { return ch.Personality == "linux32" || ch.Personality == "" && root.Is32() }
	switches := append(bySize(ch), o.switches...)
	l.facts.Allowed = allowed(switches, l.request.Root)
	for _, step := range []func() error{
		func() error { return located(l.account(o, ch), user) },
		func() error { return l.home(o, ch) },
		func() error { return l.binds(o, ch) },
		func() error { return l.variables(o, ch) },
		func() error { return l.cwd(o) },
		func() error { return l.arguments(o) },
	} {
		if err := step(); err != nil {
			root.Close()
			return nil, err
		}
	}
	return l, nil
}

// checkUser refuses what needs another identity.
func checkUser(o *options, c *session.Caller, ch *config.Chroot) error {
	switch root := o.user == "root" || o.user == "0"; {
	case root && c.UID != 0:
		return &rootError{chroot: ch.Path, argv: o.argv}
	case c.UID == 0 && o.user != "" && !root:
		return fmt.Errorf("cannot become %q from root: run chrun as the user whose desktop it is", o.user)
	}
	return nil
}

// located says where a file has what is wrong; at is "" if none has.
func located(err error, at string) error {
	if err == nil || at == "" {
		return err
	}
	return &locatedError{err, at}
}

type locatedError struct {
	err error
	at  string // FILE:LINE
}

func (e *locatedError) Error() string { return e.err.Error() + " (" + e.at + ")" }
func (e *locatedError) Unwrap() error { return e.err }

// bySize brings the switches of a configuration file into an order in which
// the narrower one wins: all, groups, features; at equal size deny wins.
func bySize(ch *config.Chroot) (list []toggle) {
	size := func(name string) int {
		found, _ := desktop.Named(name)
		switch {
		case name == desktop.All:
			return 0
		case len(found) == 1 && found[0].Name == name:
			return 2
		}
		return 1
	}
	for s := range 3 {
		for _, name := range ch.Allow {
			if size(name) == s {
				list = append(list, toggle{name, true})
			}
		}
		for _, name := range ch.Deny {
			if size(name) == s {
				list = append(list, toggle{name, false})
			}
		}
	}
	return list
}

// rootFeatures are what root gets without a desktop.
var rootFeatures = map[string]bool{"network-files": true, "network": true, "gpu": true, "devices": true, "shm": true}

// allowed applies the switches in their order; the later wins.
func allowed(switches []toggle, root bool) func(string) bool {
	off := map[string]bool{}
	for _, s := range switches {
		found, _ := desktop.Named(s.name)
		for _, f := range found {
			off[f.Name] = !s.on
		}
	}
	return func(name string) bool { return !off[name] && (!root || rootFeatures[name]) }
}

// account decides who the program is inside.
func (l *launchRequest) account(o *options, ch *config.Chroot) error {
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
	a, number, err := account.Choose(account.Table(passwd), o.user, host, func(shell string) bool {
		return root.Access(rootfs.Path(shell), unix.X_OK)
	})
	if err != nil {
		return err
	}
	l.facts.Account = a
	l.facts.Home = homePath(c, a)
	if number < 0 {
		l.facts.Account.Home = "" // not known there, so no home of it either
	}
	if c.UID == 0 {
		l.warnings = append(l.warnings, "entering as root, without a desktop")
		return nil
	}
	if number >= 0 && number != c.UID {
		l.notes = append(l.notes, fmt.Sprintf("account: %s has the number %d in the chroot and yours, %d, in this launch: its files there are not yours", a.Name, number, c.UID))
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
	if data, changed := account.Group(group, c.GID, c.Account.Name); changed {
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
	if c.UID == 0 {
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
	login := account.ReadLogin(l.facts.Root.Read, l.facts.Caller.UID == 0)
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
