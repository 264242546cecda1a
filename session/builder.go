package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Offer is what one feature shares with this launch.
type Offer struct {
	Feature Feature
	Allowed bool
	Share   Share
}

// Decide makes the plan from the facts, the request and what the features
// offer. It changes nothing. The text of an error is for the person.
func Decide(f *Facts, req Request, offers []Offer, env Environment) (*Plan, error) {
	dirs := 0
	for _, o := range offers {
		for _, e := range o.Share.HomeEntries {
			if e.Dir != "" {
				dirs++
			}
		}
	}
	b := &builder{f: f, req: req, layout: newLayout(f.Root, f.Writable, dirs), linked: map[Path]bool{}, hidden: map[string]HostPath{}, clicked: map[HostPath]bool{}, plan: &Plan{
		Name: f.Name, Tree: f.Root.Dir(), Identity: f.Identity, User: f.Account.Name, Argv: req.Argv,
		CallerUID: f.Caller.UID, CallerGID: f.Caller.GID, Groups: f.Caller.Groups,
		NoTyping: f.Caller.ThroughRoot && f.Identity.Kind != AsRoot}}
	b.canMakeFile = f.canMakeFile
	b.mountBase()
	b.overlayEtc()
	b.addAccountFiles()
	b.mountHome()
	if !req.NoDesktop {
		b.mountRuntimeDir() // after the home, since it may be in there
	}
	for _, o := range offers {
		b.addOffer(o)
	}
	b.addRequestedBinds()
	if req.Doctor != "" {
		b.bind("doctor", Bind{Source: req.Doctor, Dest: Doctor, ReadOnly: true, Required: true, Why: "looks for what does not work"})
	}
	b.shareCwd()
	for _, o := range offers {
		for _, c := range o.Share.Clicked {
			b.showClicked(o.Feature.Name, c)
		}
	}
	for _, o := range offers {
		b.coverSockets(o)
	}
	if b.err == nil {
		b.err = b.chooseCwd()
	}
	b.explainNamed(named(offers))
	if b.err != nil {
		return nil, b.err
	}
	b.setEnvironment(offers, env)
	b.choosePrograms()
	b.plan.Preparations, b.plan.Mounts, b.plan.Tmpfs = b.prepare, b.orderMounts(), b.nodes
	if slices.ContainsFunc(offers, func(o Offer) bool { return o.Share.NeedsPathMap }) {
		b.plan.Tmpfs = append(b.plan.Tmpfs, b.pathMapNode())
	}
	b.restrictMounts()
	b.setOwners()
	b.listAdmissions()
	return b.plan, b.err
}

type builder struct {
	f    *Facts
	req  Request
	plan *Plan
	*layout
	overlaid bool  // /etc is an overlay
	instead  []Var // what says the same as files that are not shared
	// linked are the links to loose files of the caller's home, and hidden are the
	// chroot's own files and directories, on the host, that hide entries of the
	// caller's home, by name. Those in the place of links are in plan.StandIns.
	linked map[Path]bool
	hidden map[string]HostPath
	// clicked are the files that the program gets at another path.
	clicked map[HostPath]bool
	err     error
}

func (b *builder) report(feature, state string) {
	b.plan.Features = append(b.plan.Features, FeatureState{Feature: feature, State: state})
}
func (b *builder) note(format string, a ...any) {
	b.plan.Notes = append(b.plan.Notes, fmt.Sprintf(format, a...))
}
func (b *builder) warn(format string, a ...any) {
	b.plan.Warnings = append(b.plan.Warnings, fmt.Sprintf(format, a...))
}

// fail keeps the first error.
func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// mountRequired adds a mount that every launch of this kind needs.
func (b *builder) mountRequired(m Mount) {
	at, err := b.ensureMountPoint(m.Dest, Dir)
	if errors.Is(err, errHost) { // HOME may be a symlink in the host's /tmp
		if to, _, _ := b.follow(m.Dest); b.checkDestination(to) == nil {
			at, err = b.ensureMountPoint(to, Dir)
		}
	}
	if err != nil {
		b.fail(fmt.Errorf("cannot make a mount point for %s: %w", m.Dest, err))
		return
	}
	m.Dest, m.Required = at, true
	b.mount(m)
}

// mountBase adds what every launch has: the kernel's file systems, /dev, and a
// new /run.
func (b *builder) mountBase() {
	b.mountRequired(Mount{Kind: FromHost, Source: "/proc", Dest: "/proc", Feature: "base", Why: "processes, shared with the host"})
	b.mountRequired(Mount{Kind: FromHost, Source: "/sys", Dest: "/sys", Feature: "base", Why: "hardware, for GPU and device discovery"})
	b.mountDev()
	b.addNode(Node{Path: "run", Kind: Dir, Mode: 0o755})
	b.mountRequired(Mount{Kind: FromTmpfs, Source: "run", Dest: "/run", NoSuidNoDev: true, Feature: "base", Why: "a new /run"})
	b.addNode(Node{Path: "run/lock", Kind: Dir, Mode: 0o1777})
	b.addNode(Node{Path: "run/chrun", Kind: Dir, Mode: 0o700})
	if b.f.Allowed("tmp") && !b.req.RootInside {
		b.mountRequired(Mount{Kind: FromHost, Source: "/tmp", Dest: "/tmp", Feature: "tmp", Why: "the host's /tmp"})
	} else if !b.req.RootInside {
		b.addNode(Node{Path: "tmp", Kind: Dir, Mode: 0o1777})
		b.mountRequired(Mount{Kind: FromTmpfs, Source: "tmp", Dest: "/tmp", NoSuidNoDev: true, Feature: "tmp", Why: "an empty /tmp"})
	}
}

// mountRuntimeDir shares the caller's runtime directory, or makes one.
func (b *builder) mountRuntimeDir() {
	dir := b.f.Caller.RuntimeDir
	inside := b.f.Caller.RuntimeDirInside()
	m := Mount{Kind: FromTmpfs, Source: "runtime", Dest: inside, NoSuidNoDev: true, Feature: "base"}
	switch {
	case b.f.PrivateRuntimeDir():
		m.Why = "the program's own runtime directory, with the shared sockets"
		b.addNode(Node{Path: m.Source, Kind: Dir, Mode: 0o700})
	case dir != "":
		m.Why = "the caller's whole runtime directory, so that servers may restart"
		m.Kind, m.Source, m.NoSuidNoDev, m.AllowMountPoints = FromHost, string(dir), false, true
	default:
		b.addNode(Node{Path: strings.TrimPrefix(string(inside), "/"), Kind: Dir, Mode: 0o700})
		return
	}
	b.mountRequired(m)
}

// mountDev shares the whole /dev, or only basic devices if a feature in it is
// denied. The features add theirs.
func (b *builder) mountDev() {
	if SharesWholeDev(b.f) {
		b.mountRequired(Mount{Kind: FromHost, Source: "/dev", Dest: "/dev", Feature: "base", Why: "the host's devices"})
		return
	}
	b.addNode(Node{Path: "dev", Kind: Dir, Mode: 0o755})
	b.mountRequired(Mount{Kind: FromTmpfs, Source: "dev", Dest: "/dev", NoSuidNoDev: true, Feature: "base", Why: "the devices that every program needs"})
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "pts", "mqueue"} {
		p := "/dev/" + name
		b.bind("base", Bind{Source: HostPath(p), Dest: Path(p), Why: "every program needs it"})
	}
	// The kernel looks for pts in the directory of ptmx in the same mount, so ptmx
	// does not work as a single file. pts/ptmx is 0000 on most hosts.
	b.bind("base", Bind{Source: "/dev", Dest: "/dev/.host", Why: "for ptmx, which works only in its own directory"})
	for _, link := range [][2]string{{"ptmx", ".host/ptmx"}, {"fd", "/proc/self/fd"}, {"stdin", "fd/0"}, {"stdout", "fd/1"}, {"stderr", "fd/2"}} {
		b.addNode(Node{Path: "dev/" + link[0], Kind: Symlink, Target: link[1]})
	}
	if !b.f.Allowed("shm") {
		b.addNode(Node{Path: "dev/shm", Kind: Dir, Mode: 0o1777})
	}
}

// SharesWholeDev reports whether the launch shares the whole /dev.
func SharesWholeDev(f *Facts) bool {
	return f.Allowed("gpu") && f.Allowed("devices") && f.Allowed("shm")
}

// addAccountFiles adds the account to the files that list accounts.
func (b *builder) addAccountFiles() {
	if b.req.RootInside {
		return
	}
	for _, f := range b.f.AccountFiles {
		if kept := b.addFile("account", f); kept != "" {
			b.note("account: %s is unchanged: %s", f.Path, kept)
		}
	}
}

// addOffer adds what one feature shares.
func (b *builder) addOffer(o Offer) {
	for _, n := range o.Share.Notes {
		b.note("%s: %s", o.Feature.Name, n)
	}
	for _, w := range o.Share.Warnings {
		b.warn("%s: %s", o.Feature.Name, w)
	}
	b.showNamed(o.Feature.Name, o.Share.Named)
	for _, s := range o.Share.Binds {
		b.bind(o.Feature.Name, s)
	}
	b.addHomeEntries(o.Feature.Name, o.Share.HomeEntries)
	state := o.Share.State
	if files := b.addFiles(o.Feature.Name, o.Share.Files); state == "" {
		state = files
	}
	if !o.Allowed {
		state = strings.TrimSuffix("denied: "+state, ": ")
	}
	b.plan.Features = append(b.plan.Features, FeatureState{Feature: o.Feature.Name, State: state, Denied: !o.Allowed, Shared: o.Allowed && o.Share.isSomething()})
	if r := o.Share.Relay; r != nil {
		b.plan.Relays = append(b.plan.Relays, *r)
	}
	b.plan.Admissions = append(b.plan.Admissions, o.Share.Admissions...)
}

// addRequestedBinds adds the binds that the person requested.
func (b *builder) addRequestedBinds() {
	for _, bind := range b.req.Binds {
		if err := b.checkDestination(bind.Dest); err != nil {
			b.fail(err)
			return
		}
		b.bind("bind", bind)
	}
}

// bind adds one shared file or directory.
func (b *builder) bind(feature string, s Bind) {
	if s.Yields && slices.ContainsFunc(b.req.Binds, func(r Bind) bool { return r.Dest.IsBelow(s.Dest) }) {
		return
	}
	if s.OnlyIfMissing {
		s.Dest = b.findLooseFile(s.Dest)
		if b.linked[s.Dest] || !b.isMissing(s.Dest) || b.checkDestination(s.Dest) != nil {
			return
		}
		if dir := Path(path.Dir(string(s.Dest))); s.WithFolder && b.isMissing(dir) {
			s.Source, s.Dest = HostPath(path.Dir(string(s.Source))), dir
		}
	}
	if !s.ReadOnly && b.shows(s.Dest, s.Source) || b.relaySocket(s) {
		return
	}
	if s.HidesOthers {
		b.mountEmptyDir(feature, Path(path.Dir(string(s.Dest))))
	}
	at, err := b.bindMountPoint(s)
	if err != nil {
		err = fmt.Errorf("cannot share %s on %s: %w", s.Source, s.Dest, err)
		if s.Required {
			b.fail(err)
			return
		}
		b.note("%s: %v", feature, err)
		return
	}
	b.mount(Mount{Kind: FromHost, Source: string(s.Source), Dest: at, ReadOnly: s.ReadOnly,
		Required: s.Required, Feature: feature, Why: s.Why})
}

// mountEmptyDir mounts a new, empty directory on dir. If it cannot, the mount point
// below will fail too.
func (b *builder) mountEmptyDir(feature string, dir Path) {
	at, err := b.ensureMountPoint(dir, Dir)
	if err != nil {
		return
	}
	source := "only-" + feature
	b.addNode(Node{Path: source, Kind: Dir, Mode: 0o1777})
	b.mount(Mount{Kind: FromTmpfs, Source: source, Dest: at, NoSuidNoDev: true, Feature: feature, Why: "the socket that is shared there"})
}

// shows reports whether the host's file source is visible at p already.
func (b *builder) shows(p Path, source HostPath) bool {
	at, err := b.walk(p)
	if err != nil || !at.exists() {
		return false
	}
	m, from := b.findMount(at.path)
	return m.Kind == FromHost && !m.ReadOnly && from == string(source)
}

// bindMountPoint returns the canonical path of a mount point for s.
func (b *builder) bindMountPoint(s Bind) (Path, error) {
	var st unix.Statx_t // AT_STATX_DONT_SYNC: the file system of a mount may not answer
	if err := unix.Statx(unix.AT_FDCWD, string(s.Source), unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st); err != nil {
		return "", err
	}
	kind := Dir
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		kind = Regular
	}
	return b.ensureMountPoint(s.Dest, kind)
}

// isMissing reports whether p does not exist inside, or consists only of mount
// points that earlier launches created in a home or in a tree of the caller's.
func (b *builder) isMissing(p Path) bool {
	at, err := b.walk(p)
	if err != nil || !at.exists() {
		return err == nil
	}
	m, source := b.findMount(at.path)
	switch left := maxPlaceholders; {
	case m.Kind == FromTree && at.kind == Dir && b.writable(Path(source)):
		return isEmptyPlaceholder(source, &left, func(dir string) ([]os.DirEntry, error) { return b.f.Root.List(Path(dir)) })
	case m.Kind == FromTree && at.kind == Regular:
		return b.isFilePlaceholder(Path(source))
	case m.Kind != FromHost || !m.AllowMountPoints || at.path == m.Dest:
		return false
	case at.kind == Dir:
		return isEmptyPlaceholder(source, &left, os.ReadDir)
	}
	st, err := os.Lstat(source)
	return errors.Is(err, fs.ErrNotExist) || err == nil && isEmptyFile(st)
}

// maxPlaceholders is how many entries are examined: a directory with more of
// them is in use.
const maxPlaceholders = 100

// isEmptyPlaceholder reports whether dir contains only empty files and such
// directories. left is how many entries may still be examined.
func isEmptyPlaceholder(dir string, left *int, list func(dir string) ([]os.DirEntry, error)) bool {
	entries, err := list(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true // the launch will create it
	}
	if *left -= len(entries); err != nil || *left < 0 {
		return false
	}
	return !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		if e.IsDir() {
			return !isEmptyPlaceholder(path.Join(dir, e.Name()), left, list)
		}
		st, err := e.Info()
		return err != nil || !isEmptyFile(st)
	})
}

func isEmptyFile(st os.FileInfo) bool { return st.Mode().IsRegular() && st.Size() == 0 }

// coverSockets mounts /dev/null over the sockets of a denied feature. Denying
// stops the integration; it is not a security boundary.
func (b *builder) coverSockets(o Offer) {
	for _, p := range o.Share.Cover {
		at, err := b.walk(p)
		if err != nil || !at.exists() {
			continue
		}
		m := Mount{Kind: FromHost, Source: "/dev/null", Dest: at.path, Feature: o.Feature.Name, Why: "denied"}
		if at.isDir() {
			b.addNode(Node{Path: "empty", Kind: Dir, Mode: 0o755})
			m.Kind, m.Source, m.ReadOnly, m.NoSuidNoDev = FromTmpfs, "empty", true, true
		}
		b.mount(m)
	}
}
