package session

import (
	"fmt"
	"os"
	"path"
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

// Home is what lies at HOME, and where: a directory of the host, or with
// HomeAuto a path in the tree.
type Home struct {
	Mode HomeMode
	Dir   string
}

// home decides what lies at HOME.
func (b *builder) home() {
	mode, why := b.req.Home, "as asked"
	at, own := b.ownHome()
	if mode == HomeAuto || mode == "" {
		mode, why = HomePrivate, "the chroot has no home of this account that the caller can write"
		switch _, err := os.Stat(string(b.req.HomeStore)); {
		case b.f.Identity.Kind == Grant && own == "":
			mode, why = HomeTemporary, "the chroot has no home of this account, and yours are yours"
		case b.f.Identity.Kind == Grant:
			mode = HomeAuto
		case b.req.RootInside && own == "":
			mode, why = HomeTemporary, "the chroot has no home of root's"
		case b.req.RootInside:
			mode = HomeAuto
		case b.f.Identity.Kind == Grant && own == "":
			mode, why = HomeTemporary, "the chroot has no home that the account can write"
		case b.f.Identity.Kind == Grant: // which cannot enter a directory of the caller's
			mode = HomeAuto
		case err == nil:
			why = "as at the first launch" // what a person has put there must not vanish
		case own != "":
			mode = HomeAuto
		}
	}
	home := b.f.Home
	m := Mount{Kind: FromHost, Dest: home, NoSuidNoDev: true, Required: true, Feature: "home", Why: why}
	state := fmt.Sprintf("%s (%s)", mode, why)
	if b.f.Identity.Kind == Grant && (mode == HomePrivate || mode == HomeHost) {
		b.fail(fmt.Errorf("cannot use --home=%s: it is yours alone, and the program has the uid %d", mode, b.f.Identity.UID))
		return
	}
	switch mode {
	case HomeAuto:
		state = fmt.Sprintf("%s of the chroot", b.f.Account.Home)
		if there, _, _, rest, err := b.walk(home); err == nil && len(rest) == 0 && there == at {
			break // it is there already
		}
		m.Kind, m.Source, m.Why = FromTree, own, "the chroot's own home of the account"
		b.must(m)
	case HomePrivate:
		b.prepare = append(b.prepare, Preparation{Home: b.req.HomeStore, Skel: "/etc/skel", Why: "the private home for this chroot"})
		m.Source, m.AllowMountPoints = string(b.req.HomeStore), true
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
		m.Source, m.AllowMountPoints = string(b.req.HomeDirectory), true
		state = fmt.Sprintf("%s (%s)", b.req.HomeDirectory, why)
		b.must(m)
	}
	b.say("home", state)
	b.plan.Home = Home{mode, m.Source}
	if mode == HomeAuto {
		b.plan.Home.Dir = b.f.Account.Home
	}
}

// ownHome finds the chroot's own home of the account, if the caller can write
// it: where it is seen, and its path in the tree, which is "" if there is none.
func (b *builder) ownHome() (at Path, source string) {
	home := Path(b.f.Account.Home)
	if b.req.RootInside {
		home = b.f.Home
	}
	if !path.IsAbs(string(home)) || home == "/" {
		return "", ""
	}
	at, f, _, rest, err := b.walk(home)
	if err != nil || len(rest) > 0 || f.kind != Dir {
		return "", ""
	}
	m, source := b.owner(at)
	if m.Kind != FromTree || !b.f.Writable(Path(source)) {
		return "", ""
	}
	return at, source
}
