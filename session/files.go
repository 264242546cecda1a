package session

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"chrun/session/rootfs"
)

// etc decides how files in /etc are made to differ. A tree that the launched
// identity cannot write, the ordinary case, gets one read-only overlay: ours
// over the tree's. One that may be written keeps its own /etc, so that useradd
// and package managers work in it and what they do lasts; by sudo too, where
// the tree's ids are mapped.
func (b *builder) etc() {
	at, f, _, rest, err := b.walk("/etc")
	if err == nil && len(rest) == 0 && f.kind == Dir {
		m, source := b.owner(at)
		if m.Kind != FromTree || b.req.NoOverlay || b.req.RootInside || b.f.Identity.Kind == Subid || b.writable(Path(source)) {
			return
		}
		b.add(Node{Path: "etc", Kind: Dir, Mode: 0o755})
		b.mount(Mount{Kind: Overlay, Source: "etc", Lower: source, Dest: at, ReadOnly: true, Required: true,
			Feature: "etc", Why: "files of /etc that differ inside, over the tree's own; nothing is written"})
		b.overlaid = true
		return
	}
	if at, err := b.place("/etc", Dir); err == nil { // the tree has none: ours alone
		b.add(Node{Path: "etc", Kind: Dir, Mode: 0o755})
		b.mount(Mount{Kind: FromTmpfs, Source: "etc", Dest: at, ReadOnly: true, Feature: "etc", Why: "the tree has no /etc"})
	}
}

// file puts one small file inside.
func (b *builder) file(feature string, f File) {
	mode := f.Mode
	if mode == 0 {
		mode = 0o644
	}
	node := Node{Kind: Regular, Mode: mode, Data: f.Data}
	link := func() { // where a link can stand, it serves better than a copy
		target, ok := b.live(f.HostFile)
		if f.Link != "" {
			target, ok = f.Link, true
		}
		if ok {
			node.Kind, node.Target, node.Data = Symlink, target, nil
		} else if f.HostFile != "" {
			b.note("%s: %s is as of launch", feature, f.Path)
		}
	}
	if b.overlaid && f.Path.IsBelow("/etc") {
		link()
		node.Path = "etc" + strings.TrimPrefix(string(f.Path), "/etc")
		b.add(node)
		return
	}
	at, have, _, rest, err := b.walk(f.Path)
	if err != nil {
		b.note("%s: %s left as it is: %v", feature, f.Path, err)
		return
	}
	at = at.Join(rest...)
	if m, source := b.owner(at); m.Kind == FromTmpfs && !f.MakeInHome && (len(rest) > 0 || have.kind != Dir) {
		// In our own /run, or by a link of the tree that ends there.
		link()
		node.Path = source
		b.add(node)
		return
	}
	m, _ := b.owner(at)
	if f.MakeInHome && m.Kind == FromHost && !m.AllowMountPoints {
		return // the host's home lies there, and with it the host's own file
	}
	if f.MakeInHome && len(rest) > 0 {
		if at, err = b.place(f.Path, Regular); err == nil {
			rest, have.kind = nil, Regular
		}
	}
	if len(rest) > 0 || have.kind != Regular {
		b.note("%s: %s left as it is: the tree has no such file to mount on", feature, f.Path)
		return
	}
	if f.HostFile != "" {
		b.note("%s: %s is as of launch: the tree may be written", feature, f.Path)
	}
	node.Path = "files/" + strings.ReplaceAll(strings.Trim(string(f.Path), "/"), "/", "-")
	b.add(node)
	b.mount(Mount{Kind: FromTmpfs, Source: node.Path, Dest: at, ReadOnly: true, NoSuidNoDev: true, Feature: feature, Why: f.Why})
}

// live returns the place below /run/host where the host's file p is seen as it
// changes, and binds it there: the file's final directory, because the host
// replaces such files by renaming.
func (b *builder) live(p HostPath) (string, bool) {
	if p == "" {
		return "", false
	}
	final, err := rootfs.ResolveHost(p)
	if err != nil {
		return "", false
	}
	real := string(final)
	dir := path.Dir(real)
	if dir == "/" || HostPath(b.f.Caller.Account.Home).IsBelow(HostPath(dir)) {
		return "", false
	}
	if strings.HasPrefix(dir, "/etc/") {
		dir = "/etc"
	}
	if strings.HasPrefix(dir, "/usr/share/zoneinfo/") {
		dir = "/usr/share/zoneinfo"
	}
	return "/run/host" + real, b.hostDir(HostPath(dir))
}

// hostDir shows a directory of the host read-only below /run/host.
func (b *builder) hostDir(dir HostPath) bool {
	dest := Path("/run/host" + string(dir))
	at, f, _, rest, err := b.walk(dest)
	if err == nil && len(rest) == 0 && f.kind == Dir {
		if m, source := b.owner(at); m.Kind == FromHost && source == string(dir) {
			return true
		}
	}
	if at, err = b.place(dest, Dir); err != nil {
		return false
	}
	b.mount(Mount{Kind: FromHost, Source: string(dir), Dest: at, ReadOnly: true, NoSuidNoDev: true,
		Feature: "run", Why: "the host's directory, to follow files in it"})
	return true
}

// cwd decides the working directory: the caller's, where that very directory
// is visible inside. A command must not run elsewhere; a shell may, and so may
// root, whose commands look after the chroot.
func (b *builder) cwd() error {
	c := b.f.Caller.Cwd
	switch at, ok := b.visible(c); {
	case b.req.Cwd != "":
		b.plan.Cwd = b.req.Cwd
	case ok:
		b.plan.Cwd = at
	case len(b.req.Argv) > 0 && !b.req.RootInside:
		return &CwdError{Dir: c, Argv: b.req.Argv, Name: b.f.Name}
	default:
		b.plan.Cwd = b.f.Home
		b.warn("%s: starting in %s", hidden(c, b.f.Name), b.f.Home)
	}
	return nil
}

// shareCwd shares the caller's directory at its own path when it is not visible
// otherwise: one below the home (not the home itself, nor below a dot directory
// of it, where settings lie), or one of the caller's own elsewhere.
func (b *builder) shareCwd() {
	c := b.f.Caller.Cwd
	if _, ok := b.visible(c); ok || c == "" || b.req.Cwd != "" || b.req.RootInside || !b.f.Allowed("files") {
		return
	}
	if !IsShareable(b.f.Caller, c) {
		return
	}
	if st, err := os.Stat(string(c)); err != nil || Owner(st) != b.f.Caller.UID && !c.IsBelow(HostPath(b.f.Caller.Account.Home)) {
		return
	}
	b.bind("files", Bind{Source: c, Dest: Path(c), Why: "the working directory"})
}

// IsShareable says whether a path that a person names by working in it, or on
// the command line, may be shared for that: nothing of the host's system, not
// the whole home, and nothing below a dot directory of it.
func IsShareable(c *Caller, p HostPath) bool {
	for _, own := range ownTrees {
		if p.IsBelow(HostPath(own)) {
			return false
		}
	}
	home := HostPath(c.Account.Home)
	if p == "/" || home.IsBelow(p) {
		return false
	}
	below, ok := strings.CutPrefix(string(p), string(home)+"/")
	return !ok || !strings.HasPrefix(below, ".")
}

// Of these directories, and what lies below the first of them, the chroot has
// its own: a caller standing in one starts in the chroot's of that name.
var (
	ownTrees = []Path{"/usr", "/etc", "/dev", "/proc", "/sys", "/run", "/boot", "/var/lib"}
	ownNames = []Path{"/", "/home", "/mnt", "/media"}
)

// visible returns where inside the host's directory p is seen.
func (b *builder) visible(p HostPath) (Path, bool) {
	if p == "" {
		return "", false
	}
	if rest, ok := strings.CutPrefix(string(p), string(b.plan.Tree)); ok && p.IsBelow(b.plan.Tree) {
		return Path("/" + strings.TrimPrefix(rest, "/")), true // in the chroot already
	}
	at, f, _, rest, err := b.walk(Path(p))
	if err != nil || len(rest) > 0 || f.kind != Dir {
		return "", false
	}
	own := func(dir Path) bool { return Path(p) == dir }
	if own(b.f.Home) || slices.ContainsFunc(ownNames, own) || slices.ContainsFunc(ownTrees, Path(p).IsBelow) {
		return Path(p), true
	}
	m, source := b.owner(at)
	return Path(p), m.Kind == FromHost && source == string(p)
}

// CwdError says that a command would not run where the caller is.
type CwdError struct {
	Dir  HostPath // "" if it has no name
	Argv []string
	Name string // of the chroot
}

func (e *CwdError) Error() string {
	return fmt.Sprintf("cannot run %q here: %s", e.Argv[0], hidden(e.Dir, e.Name))
}

func hidden(dir HostPath, name string) string {
	if dir == "" {
		return "the current directory has no name"
	}
	return fmt.Sprintf("%s is not visible in the chroot %q", dir, name)
}
