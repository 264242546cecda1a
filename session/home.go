package session

import (
	"fmt"
	"os"
	"path"
)

// HomeMode is what HOME contains inside. HOME itself is the path of the host
// home in every mode, so that ~/x means the same on both sides.
type HomeMode string

const (
	HomeAuto      HomeMode = "auto"      // the chroot's own home if the caller can write it, else private
	HomePrivate   HomeMode = "private"   // a directory of the caller's for each chroot
	HomeHost      HomeMode = "host"      // the whole home of the host
	HomeTemporary HomeMode = "temporary" // empty, and deleted after the launch
	HomeDir       HomeMode = "directory" // a directory that the person names
)

// Home is what HOME contains, and its directory: on the host, or with HomeAuto
// in the tree.
type Home struct {
	Mode HomeMode
	Dir  string
}

// mountHome decides what HOME contains.
func (b *builder) mountHome() {
	own := b.findOwnHome()
	mode, why := b.req.Home, "as requested"
	if mode == HomeAuto || mode == "" {
		mode, why = b.chooseHome(own)
	}
	if b.f.Identity.Kind == Grant && (mode == HomePrivate || mode == HomeHost) {
		b.fail(fmt.Errorf("cannot use --home=%s: only you can access that directory, but the program runs as uid %d", mode, b.f.Identity.UID))
		return
	}
	m := Mount{Kind: FromHost, Dest: b.f.Home, NoSuidNoDev: true, Required: true, Feature: "home", Why: why}
	state := fmt.Sprintf("%s (%s)", mode, why)
	switch mode {
	case HomeAuto:
		state = fmt.Sprintf("%s of the chroot", b.f.Account.Home)
		m.Kind, m.Source, m.Why = FromTree, own.source, "the chroot's own home of the account"
	case HomePrivate:
		b.prepare = append(b.prepare, Preparation{Home: b.req.HomeStore, Skel: "/etc/skel", Why: "the private home for this chroot"})
		m.Source, m.AllowMountPoints = string(b.req.HomeStore), true
		state = fmt.Sprintf("private, %s (%s)", b.req.HomeStore, why)
	case HomeHost:
		m.Source = b.f.Caller.Account.Home
	case HomeTemporary:
		b.addNode(Node{Path: "home", Kind: Dir, Mode: 0o700})
		m.Kind, m.Source = FromTmpfs, "home"
	case HomeDir:
		m.Source, m.AllowMountPoints = string(b.req.HomeDirectory), true
		state = fmt.Sprintf("%s (%s)", b.req.HomeDirectory, why)
	}
	b.report("home", state)
	b.plan.Home = Home{mode, m.Source}
	if mode == HomeAuto {
		b.plan.Home.Dir = b.f.Account.Home
		if at, err := b.walk(b.f.Home); err == nil && at.exists() && at.path == own.path {
			return // HOME is that directory already
		}
	}
	b.mountRequired(m)
}

// chooseHome decides for HomeAuto. own is the chroot's home of the account.
func (b *builder) chooseHome(own ownHome) (mode HomeMode, why string) {
	_, err := os.Stat(string(b.req.HomeStore))
	switch {
	case b.f.Identity.Kind == Grant && own.source == "":
		return HomeTemporary, "the chroot has no home of this account, and it cannot use yours"
	case b.f.Identity.Kind == Grant:
		return HomeAuto, ""
	case b.req.RootInside && own.source == "":
		return HomeTemporary, "the chroot has no home for root"
	case b.req.RootInside:
		return HomeAuto, ""
	case err == nil:
		return HomePrivate, "as in earlier launches" // the person's files there must stay visible
	case own.source != "":
		return HomeAuto, ""
	}
	return HomePrivate, "the chroot has no home for this account, or you cannot write to it"
}

// ownHome is the chroot's own home of the account: its canonical path inside and
// its path in the tree. Both are "" if there is none that the caller can write.
type ownHome struct {
	path   Path
	source string
}

func (b *builder) findOwnHome() ownHome {
	home := Path(b.f.Account.Home)
	if b.req.RootInside {
		home = b.f.Home
	}
	if !path.IsAbs(string(home)) || home == "/" {
		return ownHome{}
	}
	at, err := b.walk(home)
	if err != nil || !at.isDir() {
		return ownHome{}
	}
	m, source := b.findMount(at.path)
	if m.Kind != FromTree || !b.f.Writable(Path(source)) {
		return ownHome{}
	}
	return ownHome{at.path, source}
}
