package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
)

// role is what this process is for a launch.
type role struct {
	root bool         // root, on behalf of the caller
	bare bool         // root, for nobody
	kind session.Kind // what it has decided on
	tree int          // descriptor of an idmapped tree, or -1
}

// identity decides whose uid the program has, from the account a that it shall
// be; known says that the tree has it.
func (l *launchRequest) identity(o *options, ch *config.Chroot, a account.Account, known bool) error {
	c, root := l.facts.Caller, l.facts.Root
	if l.role.bare {
		if asked := session.Kind(o.identity); asked != "" && asked != "auto" {
			return &session.IdentityError{Kind: asked, Why: "there is no user behind root"}
		}
		if a.UID != 0 {
			return fmt.Errorf("cannot become %q from root: run chrun as the user whose desktop it is", a.Name)
		}
		l.facts.Identity = session.Identity{Kind: session.AsRoot, Why: "root enters without a user namespace"}
		return nil
	}
	st, err := root.Stat("/")
	if err != nil {
		return &chrootError{ch.Path, err}
	}
	_, number := strconv.Atoi(o.user)
	ic := session.IdentityCase{Asked: l.role.kind, Caller: c, Account: a, Known: known, Explicit: number == nil,
		Owner: int(st.Uid), OwnerGID: int(st.Gid), Number: c.UID, Root: l.role.root, Idmapped: l.role.tree >= 0, Host: hostName, HostGroup: hostGroup}
	if ic.Asked == "" {
		ic.Asked = session.Kind(o.identity)
	}
	if ic.Asked == "" {
		ic.Asked = session.Kind(ch.Identity)
	}
	if ch.Map != "" {
		ic.Number, _ = strconv.Atoi(ch.Map) // checked when it was read
	}
	if ic.Owner != 0 && ic.Owner != c.UID || ic.Asked == session.Subid {
		mine := c.Account
		mine.UID = c.UID
		ic.SubUIDs, ic.SubGIDs = account.HostSubIDs(c.Host, "/etc/subuid", mine), account.HostSubIDs(c.Host, "/etc/subgid", mine)
	}
	id, err := ic.Decide()
	if err != nil {
		return l.refusal(o, err, ic.Owner)
	}
	l.facts.Identity = id
	c.Private = id.UID != c.UID
	return l.setuid(o)
}

// refusal says what to type instead.
func (l *launchRequest) refusal(o *options, err error, owner int) error {
	e := (*session.IdentityError)(nil)
	switch {
	case err == session.ErrRootName:
		name, ok := hostName(owner)
		if !ok {
			name = strconv.Itoa(owner)
		}
		return &hintError{fmt.Errorf("cannot be root in %q: %s belongs to %s", l.facts.Name, l.facts.Root.Dir(), name),
			o.sudoLine(l.place(), "root", o.argv)}
	case errors.As(err, &e) && e.Sudo:
		argv := o.argv // and what a file of the user's has said, which root does not read
		if !o.typedFlag("user") && o.user != "" {
			argv = append([]string{"-u", o.user}, argv...)
		}
		if !o.typedFlag("identity") {
			argv = append([]string{"--identity=" + string(e.Kind)}, argv...)
		}
		return &hintError{err, o.sudoLine(l.place(), "", argv)}
	case errors.As(err, &e) && e.Other != "":
		words := o.program()
		for _, f := range o.given {
			if !slices.Contains(f.names, "identity") {
				words = append(words, f.words...)
			}
		}
		words = append(words, "--identity="+e.Other)
		return &hintError{err, session.Quote(append(words, o.argv...)...)}
	}
	return err
}

// hintError is an error with what to type next.
type hintError struct {
	error
	hint string
}

func (e *hintError) Hint() string  { return e.hint }
func (e *hintError) Unwrap() error { return e.error }

// setuidPrograms run as root by a setuid file, which a namespace of one uid does
// not have.
var setuidPrograms = []string{"sudo", "su", "doas", "pkexec"}

// setuid refuses what could only fail.
func (l *launchRequest) setuid(o *options) error {
	kind := l.facts.Identity.Kind
	if len(o.argv) == 0 || kind == session.Subid || kind == session.AsRoot || !slices.Contains(setuidPrograms, o.argv[0]) {
		return nil
	}
	rest := o.argv[1:]
	if o.argv[0] == "su" || len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		rest = nil
	}
	return &hintError{fmt.Errorf("cannot run %q: no program can become root in this launch", o.argv[0]), o.sudoLine(l.place(), "root", rest)}
}

// place is how a hint names the chroot to root: the directory, unless the name
// is everybody's.
func (l *launchRequest) place() string {
	if l.named != "" && l.system {
		return l.named
	}
	return string(l.facts.Root.Dir())
}

// sudoLine is the line that runs the same under root: flags as typed, but -c and
// -u.
func (o *options) sudoLine(place, user string, argv []string) string {
	words := []string{"sudo", "chrun", "-c", place}
	if user != "" {
		words = append(words, "-u", user)
	}
	return session.Quote(append(append(words, o.kept(user != "")...), argv...)...)
}

// typedFlag says whether a flag was on the command line.
func (o *options) typedFlag(long string) bool {
	return slices.ContainsFunc(o.given, func(f given) bool { return slices.Contains(f.names, long) })
}

// program is how a hint begins that makes the same launch.
func (o *options) program() []string {
	if o.sudo {
		return []string{"sudo", "chrun"}
	}
	return []string{"chrun"}
}

// kept are the typed flags but -c; for another user than the typed one neither
// -u nor what goes with it.
func (o *options) kept(user bool) (words []string) {
	for _, f := range o.given {
		if slices.Contains(f.names, "chroot") || user && (slices.Contains(f.names, "user") || slices.Contains(f.names, "identity")) {
			continue
		}
		words = append(words, f.words...)
	}
	return words
}
