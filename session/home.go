package session

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// HomeMode says what lies at HOME inside. HOME itself is the host home's path
// in every mode, so that ~/x means one thing on both sides.
type HomeMode string

const (
	HomeAuto      HomeMode = "auto"      // the chroot's own home if the caller can write it, else private
	HomePrivate   HomeMode = "private"   // a directory of the caller's, one a chroot
	HomeHost      HomeMode = "host"      // the whole home of the host
	HomeTemporary HomeMode = "temporary" // empty, forgotten
	HomeDir       HomeMode = "directory" // a directory that the person names
)

// home decides what lies at HOME.
func (b *builder) home() {
	mode, why := b.req.Home, "as asked"
	own := Path(b.f.Account.Home) // the chroot's own home of the account
	if mode == HomeAuto || mode == "" {
		mode, why = HomePrivate, "the chroot has no home of this account that the caller can write"
		if own != "/" && own != "" && b.f.Root.IsDir(own) && b.f.Root.Access(own, unix.W_OK|unix.X_OK) {
			mode, why = HomeAuto, "the chroot's own home of the account"
		}
	}
	home := b.f.Home
	m := Mount{Kind: FromHost, Dest: home, Guarded: true, Required: true, Feature: "home", Why: why}
	state := fmt.Sprintf("%s (%s)", mode, why)
	switch mode {
	case HomeAuto:
		at, _, _, rest, err := b.walk(own)
		if err != nil || len(rest) > 0 {
			b.fail(fmt.Errorf("cannot share the home %s of the chroot: %w", own, err))
			return
		}
		state = fmt.Sprintf("%s of the chroot", own)
		if there, _, _, rest, err := b.walk(home); err == nil && len(rest) == 0 && there == at {
			break // it is there already
		}
		holder, source := b.owner(at)
		m.Kind, m.Source = holder.Kind, source
		b.must(m)
	case HomePrivate:
		b.prepare = append(b.prepare, Prepare{Home: b.req.HomeStore, Skel: "/etc/skel", Why: "the private home for this chroot"})
		m.Source = string(b.req.HomeStore)
		state = fmt.Sprintf("private, %s (%s)", b.req.HomeStore, why)
		b.must(m)
	case HomeHost:
		m.Source = b.f.Caller.Account.Home
		b.must(m)
	case HomeTemporary:
		b.add(Node{Path: "home", Kind: Dir, Mode: 0o700})
		m.Kind, m.Source = FromTmpfs, "home"
		b.must(m)
	case HomeDir:
		m.Source = string(b.req.HomeAt)
		state = fmt.Sprintf("%s (%s)", b.req.HomeAt, why)
		b.must(m)
	}
	b.say("home", state)
}
