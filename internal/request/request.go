// Package request turns the command line and the configuration into the facts
// and the request that a plan is made from. It only reads: it starts nothing,
// changes nothing and prints nothing.
package request

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/display"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/rootfs"
)

// DoctorName is argv[0] of chrunctl doctor's part in the chroot, which takes the place
// of COMMAND.
const DoctorName = "chrunctl-doctor"

// Role says what this process is for a launch.
type Role struct {
	Root bool         // root, on behalf of the caller
	Bare bool         // root, with no desktop user
	Kind session.Kind // the identity that root has decided on, "" if none
	Tree int          // descriptor of an idmapped tree, or -1
}

// Input is what a launch is made from. Nothing of it is changed.
type Input struct {
	Flags    *cli.Flags
	Caller   *session.Caller
	Choice   *Choice
	Root     *rootfs.Root // the opened tree; the caller closes it
	Role     Role
	Terminal bool // a shell would talk to a terminal
}

// Launch is a launch before it is planned.
type Launch struct {
	Input
	Resolved
	Facts   *session.Facts
	Request session.Request
	// NoDisplay says why a program with windows has no display, once the launch is
	// planned. It is also one of the plan's warnings.
	NoDisplay string
	// FeatureWarned says that a warning of the plan is about a feature.
	FeatureWarned bool

	recordHome func() error
	foreignUID int // the account's number, if its files in the tree are not the caller's; else 0
	notes      []string
	warnings   []string
}

// Build finds the account inside and reads what was asked for.
func Build(in Input) (*Launch, error) {
	l := &Launch{Input: in, Resolved: resolve(in.Flags, in.Choice)}
	l.Facts = &session.Facts{Caller: in.Caller, Root: in.Root, Name: in.Choice.Label(), Argv: in.Flags.Command, App: in.Flags.App,
		Explain: in.Flags.Verbose || in.Flags.DryRun != "" || in.Flags.Doctor != ""}
	l.Request = session.Request{Argv: in.Flags.Command, Interactive: in.Terminal, NoDesktop: in.Role.Bare,
		UnsetEnv: in.Flags.UnsetEnv, Doctor: session.HostPath(in.Flags.Doctor), FromMenu: in.Flags.App != "", AnyCwd: in.Flags.AnyCwd}
	if in.Flags.Cwd == "" {
		l.Facts.Base = in.Caller.Cwd
	}
	err := l.resolveAccount()
	if err != nil {
		return nil, cli.Locate(err, l.User.Origin.String())
	}
	if l.Request.RootInside && !l.Home.FromFlag {
		l.Home = Setting{} // what is configured is for the caller's programs; root has its own home
	}
	if l.Request.Home, l.Request.HomeDirectory, err = resolveHome(in.Caller, l.Facts.Identity.Kind, l.Home); err != nil {
		return nil, err
	}
	if l.Request.HomeStore, l.recordHome, err = homeStore(in.Caller, in.Root.Dir(), in.Choice.Chroot); err != nil {
		return nil, err
	}
	if l.Request.Binds, err = resolveBinds(in); err != nil {
		return nil, err
	}
	if l.Request.Env, err = resolveVariables(in); err != nil {
		return nil, err
	}
	l.Request.Cwd = resolveCwd(in.Flags.Cwd, in.Caller.Cwd, l.Facts.Home)
	return l, nil
}

// resolveAccount decides who the program is inside: the account, whose uid it
// has, and which features it gets.
func (l *Launch) resolveAccount() error {
	c, root := l.Caller, l.Root
	passwd, err := l.openFile("/etc/passwd")
	if err != nil {
		return err
	}
	defer passwd.Close()
	host := c.Account
	host.UID, host.GID = c.UID, c.GID
	if shell := c.Env.Get("SHELL"); path.IsAbs(shell) {
		host.Shell = shell
	}
	a, known, err := account.Choose(passwd.Accounts(l.User.Value, host), l.User.Value, host, func(shell string) bool {
		return root.CanAccess(rootfs.Path(shell), unix.X_OK)
	})
	if err != nil {
		return err
	}
	id, err := l.decideIdentity(a, known)
	if err != nil {
		return err
	}
	if err := l.refuseSetuid(id.Kind); err != nil {
		return err
	}
	l.Facts.Identity = id
	l.Request.RootInside = id.InsideUID == 0
	l.Facts.Allowed = allowedFeatures(append(configuredSwitches(l.Choice.Chroot), l.Flags.Switches...), l.Request.RootInside, l.Role.Bare)
	number := a.UID
	a.UID, a.GID = id.InsideUID, id.InsideGID
	l.Facts.Account = a
	l.Facts.Home = homePath(c, a)
	if !known {
		l.Facts.Account.Home = "" // the tree does not know the account, so it has no home for it either
	}
	if l.Role.Bare {
		l.warnings = append(l.warnings, "entering as root, without a desktop")
	}
	if l.Request.RootInside {
		return nil
	}
	if known && number != id.UID && (id.Kind == session.Match || id.Kind == session.Remap || id.Kind == session.Direct) {
		l.foreignUID = number
		l.notes = append(l.notes, fmt.Sprintf("account: %s has the uid %d in the chroot: you do not own its files there", a.Name, number))
	}
	if id.Kind == session.Subid && known {
		return nil // useradd must work, so the tree's passwd stays visible
	}
	return l.addAccount(passwd, a)
}

// homePath is HOME inside: the same path as the host home's.
func homePath(c *session.Caller, a account.Account) session.Path {
	if a.UID == 0 {
		return "/root"
	}
	if home := path.Clean(c.Account.Home); path.IsAbs(home) && home != "/" {
		return session.Path(home)
	}
	return session.Path("/home").Join(a.Name)
}

// Plan asks every allowed feature what it offers, and decides.
func (l *Launch) Plan() (*session.Plan, error) {
	offers := make([]session.Offer, 0, len(desktop.Features))
	for _, f := range desktop.Features {
		o := session.Offer{Feature: f, Allowed: l.Facts.Allowed(f.Name)}
		switch {
		case o.Allowed:
			o.Share = f.Detect(l.Facts)
		case f.Hide != nil && !l.Role.Bare && (!l.Request.RootInside || slices.Contains(rootFeatures, f.Name)):
			o.Share = f.Hide(l.Facts)
			if l.Request.RootInside || l.Facts.PrivateRuntimeDir() {
				o.Share.Cover, o.Share.Notes = nil, nil // the sockets are not inside
			}
		}
		l.FeatureWarned = l.FeatureWarned || len(o.Share.Warnings) > 0
		offers = append(offers, o)
	}
	plan, err := session.Decide(l.Facts, l.Request, offers, l.environment())
	if failure := l.Root.Failure(); failure != nil {
		return nil, fmt.Errorf("cannot read the chroot: %w", failure)
	}
	if err != nil {
		var cwd *session.CwdError
		if errors.As(err, &cwd) {
			dir, hint := "/", "name a directory inside: "
			if cwd.Inside != "" {
				dir, hint = string(cwd.Inside), "there it is "+string(cwd.Inside)+": "
			}
			words := append(append([]string{"chrun", "-C", dir}, l.Flags.Words("any-cwd")...), l.Flags.Command...)
			err = cli.WithHint(err, hint+session.Quote(words...))
		}
		return nil, err
	}
	plan.Network = !l.Facts.Allowed("network")
	personality := l.Choice.Personality
	plan.Linux32 = personality == "linux32" || personality == "" && l.Root.Is32()
	plan.Notes = append(l.notes, plan.Notes...)
	plan.Warnings = append(l.warnings, plan.Warnings...)
	l.explainDisplays(plan, offers)
	if l.Flags.Doctor != "" {
		plan.Argv, plan.Programs, plan.Login = []string{DoctorName}, []session.Path{session.Doctor}, false
	}
	return plan, nil
}

// explainDisplays adds what a person should know of the displays: a warning if the
// program opens windows, or is a shell in which a person types, else a note.
func (l *Launch) explainDisplays(plan *session.Plan, offers []session.Offer) {
	find := func(name string) session.Share {
		return offers[slices.IndexFunc(offers, func(o session.Offer) bool { return o.Feature.Name == name })].Share
	}
	texts := display.Explain(l.Facts, find(display.Wayland.Name), find(display.X11.Name))
	switch {
	case len(texts) == 0:
	case l.Flags.App != "" && !l.Terminal, len(plan.Argv) > 0 && !plan.Login && desktop.OpensWindows(l.Root, plan.Programs), plan.Login && l.Request.Interactive:
		plan.Warnings = append(plan.Warnings, texts...)
		if plan.Env.Get("DISPLAY") == "" && plan.Env.Get("WAYLAND_DISPLAY") == "" {
			l.NoDisplay = strings.Join(texts, "\n")
		}
	default:
		plan.Notes = append(plan.Notes, texts...)
	}
}

// environment says how the caller's variables are treated.
func (l *Launch) environment() session.Environment {
	login := account.ReadLogin(l.Root.Read, l.Request.RootInside)
	vars := []session.Var{{Name: "PATH", Value: login.Path}}
	for _, v := range []session.Var{{Name: "XDG_DATA_DIRS", Value: login.DataDirs}, {Name: "XDG_CONFIG_DIRS", Value: login.ConfigDirs}} {
		if v.Value != "" {
			vars = append(vars, v)
		}
	}
	lacks := map[string]string{}
	for _, k := range desktop.FindMissingPlugins(l.Root, l.Caller.Env) {
		lacks[k.Variable] = k.Note
	}
	return session.Environment{Login: vars, Finish: desktop.FixSessionType, Keep: func(name, value string) (bool, string) {
		if why, ok := lacks[name]; ok {
			return false, why
		}
		return desktop.KeepVariable(name, value, l.Facts.Home)
	}}
}

// RecordHome writes down which tree the private home belongs to, if the plan
// makes one. Call it before the home is made.
func (l *Launch) RecordHome(plan *session.Plan) error {
	for _, p := range plan.Preparations {
		if p.Home == "" {
			continue
		}
		if err := l.recordHome(); err != nil {
			return fmt.Errorf("cannot record which chroot the home %s belongs to: %w", p.Home, err)
		}
	}
	return nil
}
